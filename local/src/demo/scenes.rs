//! The seven scenes as data: a title, and steps, each with a text and one action.

use crate::stripe::Effect;

/// A scene.
pub(super) struct Scene {
    pub title: &'static str,
    /// The credits that fill the bar of the balance.
    pub full: i64,
    pub steps: &'static [Step],
}

/// A step of a scene.
pub(super) struct Step {
    pub says: &'static str,
    pub does: Do,
}

/// The action of a step.
pub(super) enum Do {
    /// Sends a request for the account.
    Send(Sent),
    /// Sends the latest request again. It must get the same receipt.
    Again,
    /// Sends this many debits at once, each of them once.
    Rush { debits: usize, body: &'static str },
    /// Moves the clock to this instant.
    Move(&'static str),
    /// Charges work through the client. None: the work fails.
    Work { action: &'static str, quantity: u64, delivered: Option<u64> },
    /// The account's customer orders this pack.
    Order(&'static str),
    /// Applies an effect to the order at Stripe, which sends each event to the webhook twice.
    Stripe(Effect),
    /// Shows the ledger, which must sum to the balance.
    Ledger,
    /// Audits the account, which must find nothing.
    Audit,
}

/// A request, and the status that its answer must have.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub method: &'static str,
    /// The path below the account, with its slash.
    pub path: &'static str,
    pub key: &'static str,
    pub body: &'static str,
    pub status: u16,
}

/// The demo's first instant: a Friday.
pub const BEGINS: &str = "2026-11-20T09:00:00Z";
/// The demo's account.
pub(super) const ACCOUNT: &str = "studio";

const fn debit(key: &'static str, body: &'static str, status: u16) -> Do {
    Do::Send(Sent { method: "POST", path: "/debits", key, body, status })
}

const THREE_IMAGES: &str = r#"{"action":"custom_image","quantity":3,"user":"ada"}"#;
const ONE_IMAGE: &str = r#"{"action":"custom_image","quantity":1}"#;
const ONE_VIDEO: &str = r#"{"action":"dynamic_video","quantity":1,"user":"ada"}"#;
const CAMPAIGN: &str = r#"{"action":"dynamic_video","quantity":180,"user":"ada"}"#;

pub(super) const SCENES: &[Scene] = &[
    Scene {
        title: "An account opens, and an endpoint spends",
        full: 25,
        steps: &[
            Step {
                says: "An operator puts a customer on the free plan: credits at once.",
                does: Do::Send(Sent {
                    method: "PUT",
                    path: "",
                    key: "open-studio",
                    body: r#"{"plan":"free"}"#,
                    status: 201,
                }),
            },
            Step {
                says: "An AI endpoint paints three images, and debits them.",
                does: debit("images-1", THREE_IMAGES, 201),
            },
        ],
    },
    Scene {
        title: "A retry gets the same receipt",
        full: 25,
        steps: &[
            Step {
                says: "It renders a video. The reply is lost on its way back.",
                does: debit("video-1", ONE_VIDEO, 201),
            },
            Step { says: "So it sends the same request again.", does: Do::Again },
            Step {
                says: "The same key for other work is refused.",
                does: debit("video-1", THREE_IMAGES, 422),
            },
        ],
    },
    Scene {
        title: "200 requests at once, and too few credits",
        full: 25,
        steps: &[Step {
            says: "200 jobs debit an image each at the same moment.",
            does: Do::Rush { debits: 200, body: ONE_IMAGE },
        }],
    },
    Scene {
        title: "Monday comes, and no job runs",
        full: 25,
        steps: &[
            Step {
                says: "It is Sunday, a minute before midnight.",
                does: Do::Move("2026-11-22T23:59:00Z"),
            },
            Step {
                says: "Nothing is left. The refusal says when credits come back.",
                does: debit("video-2", ONE_VIDEO, 402),
            },
            Step {
                says: "Monday, 00:00 UTC. No job has run.",
                does: Do::Move("2026-11-23T00:00:00Z"),
            },
            Step {
                says: "The same request passes now: a refusal is not remembered.",
                does: debit("video-2", ONE_VIDEO, 201),
            },
        ],
    },
    Scene {
        title: "Work is charged for what it delivers",
        full: 25,
        steps: &[
            Step {
                says: "Four images are held before the work. Three come out: three are charged.",
                does: Do::Work { action: "custom_image", quantity: 4, delivered: Some(3) },
            },
            Step {
                says: "A video is held, and its model fails: it is free.",
                does: Do::Work { action: "dynamic_video", quantity: 1, delivered: None },
            },
        ],
    },
    Scene {
        title: "A pack is bought, disputed, and won back",
        full: 525,
        steps: &[
            Step {
                says: "A campaign needs more than there is.",
                does: debit("campaign", CAMPAIGN, 402),
            },
            Step { says: "The customer orders a pack.", does: Do::Order("starter") },
            Step { says: "The customer pays at Stripe.", does: Do::Stripe(Effect::Pay) },
            Step { says: "The campaign passes now.", does: debit("campaign", CAMPAIGN, 201) },
            Step {
                says: "The bank disputes the payment: unspent credits go, the rest is debt.",
                does: Do::Stripe(Effect::Dispute),
            },
            Step { says: "The dispute is won: all is as it was.", does: Do::Stripe(Effect::Win) },
        ],
    },
    Scene {
        title: "The ledger sums to the balance",
        full: 525,
        steps: &[
            Step { says: "Every change of this story, from the first.", does: Do::Ledger },
            Step {
                says: "An audit recomputes it all without the code that wrote it.",
                does: Do::Audit,
            },
        ],
    },
];
