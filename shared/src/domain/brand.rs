//! The brand: how the customer's page is made the product's own.

use std::fmt;
use std::str::FromStr;

/// The largest logo in a catalog, in bytes.
pub const MAX_LOGO_BYTES: usize = 8192;
/// The largest radius of corners, in pixels.
pub const MAX_RADIUS_PX: u8 = 24;
/// The least contrast of text, in hundredths: 4.5 to 1, of WCAG 2.2's level AA.
pub const MIN_CONTRAST: u32 = 450;

/// The colours that the page's text stands on, in light and in dark.
pub const PAPERS: [(Theme, [Color; 2]); 2] = [
    (Theme::Light, [Color([0xfb, 0xfa, 0xf7]), Color([0xff, 0xff, 0xff])]),
    (Theme::Dark, [Color([0x15, 0x15, 0x17]), Color([0x1d, 0x1d, 0x20])]),
];

/// What a catalog says of the product. Each part that is absent is the page's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brand {
    pub name: Option<String>,
    pub logo: Option<Logo>,
    pub accent: Option<Accent>,
    /// The radius of corners, in pixels: 0 to [`MAX_RADIUS_PX`].
    pub radius_px: Option<u8>,
    pub font: Option<FontStack>,
    /// Where customers get help.
    pub support_url: Option<HttpsUrl>,
    /// The terms of the product.
    pub terms_url: Option<HttpsUrl>,
}

/// The picture at the top of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logo {
    /// An SVG. It is only ever shown as an image, where no script of it runs.
    Svg(String),
    Url(HttpsUrl),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// The colour of buttons, links and bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent {
    pub light: Color,
    pub dark: Color,
}

/// A colour in sRGB: `#0a6b52`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color([u8; 3]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a colour such as \"#0a6b52\"")]
pub struct ColorError;

/// An address without a character that means something in a header, in HTML or in CSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an https:// address of at most 512 bytes, without spaces and quotes")]
pub struct HttpsUrlError;

/// Names of font families, the preferred first. No font is loaded: the first one that the
/// customer's system has is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FontStack(Vec<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be names of font families with commas between, of letters, digits, spaces and hyphens, \
     at most 256 bytes"
)]
pub struct FontStackError;

/// An accent that cannot be read on the page's own colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "has a contrast of {}.{:02} to 1 on the page's {on}: text needs at least 4.5 to 1",
    .contrast / 100, .contrast % 100
)]
pub struct TooFaint {
    pub theme: Theme,
    pub on: Color,
    /// In hundredths, rounded down.
    pub contrast: u32,
}

impl Theme {
    pub fn name(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

impl Accent {
    /// The colour in this theme.
    pub fn of(self, theme: Theme) -> Color {
        match theme {
            Theme::Light => self.light,
            Theme::Dark => self.dark,
        }
    }

    /// Checks that text in the accent can be read on each colour of the page.
    ///
    /// # Errors
    /// [`TooFaint`] has the first colour on which it cannot.
    pub fn legible(self) -> Result<(), TooFaint> {
        for (theme, papers) in PAPERS {
            for on in papers {
                let contrast = self.of(theme).contrast(on);
                if contrast < MIN_CONTRAST {
                    return Err(TooFaint { theme, on, contrast });
                }
            }
        }
        Ok(())
    }
}

impl Color {
    /// White or nearly black: the one that has more contrast on this colour.
    pub fn text(self) -> Color {
        let [(_, [_, white]), (_, [black, _])] = PAPERS;
        if self.contrast(white) >= self.contrast(black) { white } else { black }
    }

    /// The contrast of two colours in hundredths, rounded down: 100 to 2100. Source: "contrast
    /// ratio" of WCAG 2.2.
    pub fn contrast(self, other: Color) -> u32 {
        let (a, b) = (self.luminance(), other.luminance());
        let flare = 50_000;
        let ratio = (a.max(b) + flare) * 100 / (a.min(b) + flare);
        u32::try_from(ratio).expect("at most 2100")
    }

    /// The relative luminance, in millionths. Source: WCAG 2.2.
    fn luminance(self) -> u64 {
        let [red, green, blue] = self.0.map(linear);
        (2126 * red + 7152 * green + 722 * blue) / 10_000
    }
}

/// The light of a channel of sRGB, in millionths: `x / 12.92`, and from 11 of 255 on
/// `((x + 0.055) / 1.055) ^ 2.4`.
fn linear(channel: u8) -> u64 {
    let channel = u64::from(channel);
    if channel <= 10 {
        return channel * 100_000_000 / (255 * 1292);
    }
    // The base is n / d. To the power of 2.4 it is its square times the fifth root of its square;
    // the root of 30 decimals has 6.
    let (n, d) = (u128::from(40 * channel + 561), 10_761_u128);
    let square = n * n * 10_u128.pow(22) / (d * d) * 10_u128.pow(8);
    let (mut root, mut above) = (0_u128, 1_000_001_u128);
    while above - root > 1 {
        let middle = u128::midpoint(root, above);
        if middle.pow(5) <= square { root = middle } else { above = middle }
    }
    u64::try_from(n * n * root / (d * d)).expect("at most a million")
}

impl FromStr for Color {
    type Err = ColorError;

    fn from_str(text: &str) -> Result<Color, ColorError> {
        let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6).ok_or(ColorError)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ColorError);
        }
        let channel = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| ColorError);
        Ok(Color([channel(0)?, channel(2)?, channel(4)?]))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl HttpsUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of the address: `https://cdn.example.com`.
    pub fn origin(&self) -> &str {
        let host = "https://".len();
        let end = self.0[host..].find(['/', '?', '#']).map_or(self.0.len(), |at| host + at);
        &self.0[..end]
    }
}

impl FromStr for HttpsUrl {
    type Err = HttpsUrlError;

    fn from_str(text: &str) -> Result<HttpsUrl, HttpsUrlError> {
        let plain = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\^`{|},;()*".contains(&b);
        if text.len() > 512 || !text.starts_with("https://") || !text.bytes().all(plain) {
            return Err(HttpsUrlError);
        }
        let url = HttpsUrl(text.to_owned());
        let host = &url.origin()["https://".len()..];
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        let is_host = named && name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if is_host && port.parse::<u16>().is_ok() { Ok(url) } else { Err(HttpsUrlError) }
    }
}

impl FontStack {
    /// The families, the preferred first.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for FontStack {
    type Err = FontStackError;

    fn from_str(text: &str) -> Result<FontStack, FontStackError> {
        let families: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-');
        let is_family = |name: &String| !name.is_empty() && name.bytes().all(plain);
        match text.len() <= 256 && families.iter().all(is_family) {
            true => Ok(FontStack(families)),
            false => Err(FontStackError),
        }
    }
}
