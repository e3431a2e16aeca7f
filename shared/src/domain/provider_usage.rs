//! A provider's usage object, turned into meters that count each token once.
//!
//! OpenAI and Google count cached tokens inside the input, Anthropic beside it; OpenAI and
//! Anthropic count thinking inside the output, Google beside it. Fields that choose a price but
//! count no tokens (`service_tier`, `speed`, `inference_geo`, searches) are not read: they are
//! another model or another action of the caller's.

mod object;

use serde_json::Value;

use self::object::UsageObject;
use super::meters::{MAX_COUNT, Meter, Meters};
use super::refusal::FieldProblem;

/// The provider whose documented usage object was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageFormat {
    /// Of Chat Completions, Responses, Realtime and embeddings.
    OpenAi,
    /// Of Messages: of a response, or of a stream's first event with its last laid over it.
    Anthropic,
    /// `usageMetadata` of Gemini and of its live sessions, in JSON's names or in the fields' own
    /// (`prompt_token_count`).
    Google,
}

impl UsageFormat {
    pub const ALL: [UsageFormat; 3] =
        [UsageFormat::OpenAi, UsageFormat::Anthropic, UsageFormat::Google];

    /// The word for it in `usage_format`.
    pub const fn name(self) -> &'static str {
        match self {
            UsageFormat::OpenAi => "openai",
            UsageFormat::Anthropic => "anthropic",
            UsageFormat::Google => "google",
        }
    }
}

/// The meters of a usage object. Fields that it does not know are ignored, and null is absent.
///
/// # Errors
/// The first field that would make a price wrong: a count that is no whole number up to
/// [`MAX_COUNT`], parts that are more than their whole, a total that is not the sum of its parts
/// (another provider's count under a known name), tokens of another model.
pub fn meters(usage: &Value, format: UsageFormat) -> Result<Meters, FieldProblem> {
    let Value::Object(fields) = usage else {
        return Err(FieldProblem::new("usage", "must be a provider's usage object"));
    };
    let usage = UsageObject::of("usage", fields);
    let counts = match format {
        UsageFormat::OpenAi => openai(&usage),
        UsageFormat::Anthropic => anthropic(&usage),
        UsageFormat::Google => google(&usage),
    }?;
    let meters = counts.meters();
    match meters.counted().all(|(_, count)| count <= MAX_COUNT) {
        true => Ok(meters),
        false => Err(FieldProblem::new("usage", format!("must be at most {MAX_COUNT} a meter"))),
    }
}

/// The names of one of OpenAI's APIs for the same counts.
struct OpenAiNames {
    input: &'static str,
    input_details: &'static str,
    output: &'static str,
    output_details: &'static str,
}

const CHAT_COMPLETIONS: OpenAiNames = OpenAiNames {
    input: "prompt_tokens",
    input_details: "prompt_tokens_details",
    output: "completion_tokens",
    output_details: "completion_tokens_details",
};

const RESPONSES: OpenAiNames = OpenAiNames {
    input: "input_tokens",
    input_details: "input_tokens_details",
    output: "output_tokens",
    output_details: "output_tokens_details",
};

const REALTIME: OpenAiNames = OpenAiNames {
    input_details: "input_token_details",
    output_details: "output_token_details",
    ..RESPONSES
};

/// Fields that only Anthropic's objects have, and that only Google's have.
const ANTHROPICS: [&str; 3] =
    ["cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"];
const GOOGLES: [&str; 2] = ["promptTokenCount", "candidatesTokenCount"];

/// Refuses an object of another provider: read by these names, its counts would mean something
/// else.
fn none_of(
    usage: &UsageObject<'_>,
    fields: &[&str],
    format: UsageFormat,
) -> Result<(), FieldProblem> {
    match fields.iter().find(|field| usage.has(field)) {
        None => Ok(()),
        Some(field) => {
            Err(usage.wrong(field, format!("is a field of usage_format {}", format.name())))
        }
    }
}

fn openai(usage: &UsageObject<'_>) -> Result<Counts, FieldProblem> {
    none_of(usage, &GOOGLES, UsageFormat::Google)?;
    // Beside `prompt_tokens` they are a proxy's, which counts them in OpenAI's fields, too.
    if !usage.has(CHAT_COMPLETIONS.input) {
        none_of(usage, &ANTHROPICS, UsageFormat::Anthropic)?;
    }
    let names = if usage.has(CHAT_COMPLETIONS.input) {
        CHAT_COMPLETIONS
    } else if usage.has(REALTIME.input_details) || usage.has(REALTIME.output_details) {
        REALTIME
    } else {
        RESPONSES
    };
    let (total, output) = (usage.required(names.input)?, usage.count(names.output)?);
    // Required: Anthropic's object has no total, and an `input_tokens` that means something else.
    // A provider that leaves thinking out of the output has a total that is larger.
    if usage.required("total_tokens")? != total + output {
        let sum = format!("must be {} plus {}", names.input, names.output);
        return Err(usage.wrong("total_tokens", format!("{sum}; send meters if it is not")));
    }
    let details = usage.object(names.input_details)?;
    let cached_details = details.object("cached_tokens_details")?;
    let of_input = InputCount {
        total,
        // Moonshot's count is beside the details.
        cached: match details.has("cached_tokens") {
            true => details.part_of(total, names.input, "cached_tokens")?,
            false => usage.part_of(total, names.input, "cached_tokens")?,
        },
        cache_write: details.part_of(total, names.input, "cache_write_tokens")?,
        audio: details.part_of(total, names.input, "audio_tokens")?,
        image: details.part_of(total, names.input, "image_tokens")?,
        cached_media: match details.has("cached_tokens_details") {
            true => Some(Media {
                audio: cached_details.count("audio_tokens")?,
                image: cached_details.count("image_tokens")?,
            }),
            false => None,
        },
    };
    let counts = of_input.counts().ok_or_else(|| {
        usage.wrong(names.input_details, format!("must not be more than {}", names.input))
    })?;
    let details = usage.object(names.output_details)?;
    details.part_of(output, names.output, "reasoning_tokens")?;
    let output_audio = details.part_of(output, names.output, "audio_tokens")?;
    let output_image = details.part_of(output, names.output, "image_tokens")?;
    let text = output.checked_sub(output_audio + output_image).ok_or_else(|| {
        usage.wrong(names.output_details, format!("must not be more than {}", names.output))
    })?;
    Ok(Counts { output: text, output_audio, output_image, ..counts })
}

fn anthropic(usage: &UsageObject<'_>) -> Result<Counts, FieldProblem> {
    let openais = [RESPONSES.input_details, CHAT_COMPLETIONS.input, CHAT_COMPLETIONS.output];
    none_of(usage, &openais, UsageFormat::OpenAi)?;
    none_of(usage, &GOOGLES, UsageFormat::Google)?;
    let mut counts = anthropic_iteration(usage)?;
    for iteration in usage.list("iterations")? {
        match iteration.text("type") {
            "message" => {}
            // The only iteration of the same model that the counts above leave out.
            "compaction" => counts.add(anthropic_iteration(&iteration)?),
            _ => {
                let problem = "must be message or compaction; send the meters of each model";
                return Err(iteration.wrong("type", problem));
            }
        }
    }
    Ok(counts)
}

fn anthropic_iteration(usage: &UsageObject<'_>) -> Result<Counts, FieldProblem> {
    let output = usage.required("output_tokens")?;
    let details = usage.object("cache_creation")?;
    let for_5m = details.count("ephemeral_5m_input_tokens")?;
    let for_1h = details.count("ephemeral_1h_input_tokens")?;
    let split = for_5m + for_1h;
    let written = match usage.has("cache_creation_input_tokens") {
        true => usage.count("cache_creation_input_tokens")?,
        false => split,
    };
    if split > written {
        let problem = "must not be more than cache_creation_input_tokens";
        return Err(usage.wrong("cache_creation", problem));
    }
    // The last event of a stream counts writes that the split of its first does not: they have its
    // lifetime. Without a split they have the default one.
    let cache_write_1h = if for_1h > 0 && for_5m == 0 { written } else { for_1h };
    Ok(Counts {
        input: usage.required("input_tokens")?,
        cached_input: usage.count("cache_read_input_tokens")?,
        cache_write: written - cache_write_1h,
        cache_write_1h,
        output,
        ..Counts::default()
    })
}

/// Google's names of the output: of a response, and of a live session.
const CANDIDATES: [&str; 2] = ["candidatesTokenCount", "candidatesTokensDetails"];
const LIVE: [&str; 2] = ["responseTokenCount", "responseTokensDetails"];

fn google(usage: &UsageObject<'_>) -> Result<Counts, FieldProblem> {
    none_of(usage, &[CHAT_COMPLETIONS.input], UsageFormat::OpenAi)?;
    none_of(usage, &ANTHROPICS, UsageFormat::Anthropic)?;
    let sent = |names: [&'static str; 2]| names.into_iter().find(|name| usage.has(name));
    let [output, output_details] = match (sent(CANDIDATES), sent(LIVE)) {
        (Some(_), Some(live)) => {
            let problem = "must not be beside candidatesTokenCount; send meters if both count";
            return Err(usage.wrong(live, problem));
        }
        (None, Some(_)) => LIVE,
        (_, None) => CANDIDATES,
    };
    let prompt = usage.required("promptTokenCount")?;
    let tools = usage.count("toolUsePromptTokenCount")?;
    let candidates = usage.count(output)?;
    let thoughts = usage.count("thoughtsTokenCount")?;
    if usage.has("totalTokenCount")
        && usage.count("totalTokenCount")? != prompt + tools + candidates + thoughts
    {
        let problem = "must be the sum of the counts; send meters if it is not";
        return Err(usage.wrong("totalTokenCount", problem));
    }
    let media = |field: &str| -> Result<Media, FieldProblem> {
        let mut media = Media::default();
        for part in usage.list(field)? {
            match part.text("modality") {
                "AUDIO" => media.audio += part.count("tokenCount")?,
                "IMAGE" => media.image += part.count("tokenCount")?,
                _ => {}
            }
        }
        Ok(media)
    };
    let prompt_media = media("promptTokensDetails")?;
    let of_prompt = InputCount {
        total: prompt,
        cached: usage.part_of(prompt, "promptTokenCount", "cachedContentTokenCount")?,
        cache_write: 0,
        audio: prompt_media.audio,
        image: prompt_media.image,
        cached_media: match usage.has("cacheTokensDetails") {
            true => Some(media("cacheTokensDetails")?),
            false => None,
        },
    };
    let too_many = |details: &str, count: &str| {
        usage.wrong(details, format!("must not count more audio and images than {count}"))
    };
    let counts =
        of_prompt.counts().ok_or_else(|| too_many("promptTokensDetails", "promptTokenCount"))?;
    let tools_media = media("toolUsePromptTokensDetails")?;
    let tools_text = tools
        .checked_sub(tools_media.sum())
        .ok_or_else(|| too_many("toolUsePromptTokensDetails", "toolUsePromptTokenCount"))?;
    let output_media = media(output_details)?;
    let output_text = candidates
        .checked_sub(output_media.sum())
        .ok_or_else(|| too_many(output_details, output))?;
    Ok(Counts {
        input: counts.input + tools_text,
        input_audio: counts.input_audio + tools_media.audio,
        input_image: counts.input_image + tools_media.image,
        output: output_text + thoughts,
        output_audio: output_media.audio,
        output_image: output_media.image,
        ..counts
    })
}

/// Tokens that are no text and that meters count apart.
#[derive(Clone, Copy, Default)]
struct Media {
    audio: u64,
    image: u64,
}

impl Media {
    fn sum(self) -> u64 {
        self.audio + self.image
    }
}

/// An input that is counted with its parts inside `total`.
struct InputCount {
    total: u64,
    cached: u64,
    cache_write: u64,
    audio: u64,
    image: u64,
    /// The tokens of `cached` that are in `audio` or `image`, too, if the provider counts them.
    cached_media: Option<Media>,
}

impl InputCount {
    /// The input's meters, or none if its parts are more than the whole. Cached tokens are text as
    /// far as the counts allow, because providers that cache audio count it, then images: a cached
    /// image is cached input.
    fn counts(self) -> Option<Counts> {
        let InputCount { total, cached, cache_write, audio, image, cached_media } = self;
        let overlap = (cached + cache_write + audio + image).saturating_sub(total);
        let cached_image = overlap.min(image);
        let guessed = Media { audio: overlap - cached_image, image: cached_image };
        let Media { audio: cached_input_audio, image: cached_image } =
            cached_media.unwrap_or(guessed);
        let cached_input = cached.checked_sub(cached_input_audio)?;
        cached_input.checked_sub(cached_image)?;
        let input_audio = audio.checked_sub(cached_input_audio)?;
        let input_image = image.checked_sub(cached_image)?;
        let input = total.checked_sub(cached + cache_write + input_audio + input_image)?;
        let input = Counts { input, cached_input, cache_write, ..Counts::default() };
        Some(Counts { input_audio, cached_input_audio, input_image, ..input })
    }
}

/// A count of each meter.
#[derive(Default)]
struct Counts {
    input: u64,
    cached_input: u64,
    /// Written to the provider's cache for 5 minutes, or for its only lifetime.
    cache_write: u64,
    cache_write_1h: u64,
    /// Thinking included.
    output: u64,
    input_audio: u64,
    cached_input_audio: u64,
    output_audio: u64,
    input_image: u64,
    output_image: u64,
}

impl Counts {
    /// Adds the counts of another iteration, which has no audio and no image.
    fn add(&mut self, other: Counts) {
        self.input += other.input;
        self.cached_input += other.cached_input;
        self.cache_write += other.cache_write;
        self.cache_write_1h += other.cache_write_1h;
        self.output += other.output;
    }

    fn meters(self) -> Meters {
        let counts = [
            (Meter::Input, self.input),
            (Meter::CachedInput, self.cached_input),
            (Meter::CacheWrite, self.cache_write),
            (Meter::CacheWrite1h, self.cache_write_1h),
            (Meter::Output, self.output),
            (Meter::InputAudio, self.input_audio),
            (Meter::CachedInputAudio, self.cached_input_audio),
            (Meter::OutputAudio, self.output_audio),
            (Meter::InputImage, self.input_image),
            (Meter::OutputImage, self.output_image),
        ];
        let mut meters = Meters::default();
        for (meter, count) in counts {
            meters.set(meter, count);
        }
        meters
    }
}
