//! The commands that speak to the API of a stack, as they are typed.

use clap::{Args, Subcommand};
use shared::domain::payment::State;
use shared::domain::period::Day;
use shared::domain::{AccountId, Credits, Currency, Gate, Locale};

use super::how::{Amount, Because, How, OfAccount, OfPayment, Print};
use crate::moment::{self, Moment};

#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Find, show, open, freeze an account, or change its plan.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Print where the credits of an account went: every entry with the balance after it, the
    /// oldest first, and at the end the sum of each action and user.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod ledger acme --since 2026-11-01 --user ada")]
    Ledger(Ledger),
    /// Print what an account consumed, by day, action, model and user. Default: the last 30 days.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod usage acme --since 2026-11-01 --until 2026-11-30")]
    Usage {
        account: AccountId,
        /// The first day (UTC).
        #[arg(long, value_name = "DAY", value_parser = moment::day)]
        since: Option<Day>,
        /// The last day (UTC).
        #[arg(long, value_name = "DAY", value_parser = moment::day)]
        until: Option<Day>,
        #[command(flatten)]
        print: Print,
    },
    /// Put credits into an account.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod grant acme 500 --reason 'contract 2026-118' --message \
        'Your credits for December'")]
    Grant(Grant),
    /// Take a grant back.
    #[command(subcommand)]
    Grants(GrantsCommand),
    /// Give back what a debit or a capture charged, or part of it.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod refund acme 01a20132-08af-7fb3-8350-6bdcd05e3b83 all \
        --reason 'the video was black'")]
    Refund {
        account: AccountId,
        /// The id of the debit or the capture, as `scrip ledger` prints it.
        debit: String,
        /// How much: credits, or `all` that it charged and that was not refunded yet.
        #[arg(default_value = "all")]
        credits: Amount,
        /// Your own reference, such as a ticket.
        #[arg(long)]
        reference: Option<String>,
        #[command(flatten)]
        because: Because,
        #[command(flatten)]
        how: How,
    },
    /// Cancel an account's debt.
    #[command(subcommand)]
    Debt(DebtCommand),
    /// List, show, release or dismiss payments.
    #[command(subcommand)]
    Payments(PaymentsCommand),
    /// Print a link that shows a customer the account's page. It works once, within the hour.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod session acme --subject ada --buy")]
    Session(Session),
}

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List accounts: all, or those that match.
    #[command(after_help = "Examples:\n  \
        scrip --stack scrip-prod account find acme\n  \
        scrip --stack scrip-prod account find pi_3a1b2c3d4e5f\n  \
        scrip --stack scrip-prod account find --gate account_frozen")]
    Find {
        /// Any part of a name or label, the beginning of an id, a Stripe customer (cus_...) or a
        /// payment (pi_...).
        text: Option<String>,
        /// Only accounts on this plan.
        #[arg(long)]
        plan: Option<String>,
        /// Only accounts whose gate is this.
        #[arg(long, value_name = "GATE", value_parser = Gate::NAMES)]
        gate: Option<String>,
        /// Only accounts in debt.
        #[arg(long)]
        debt: bool,
        #[command(flatten)]
        print: Print,
    },
    /// Print an account: its plan, whether it may spend, its credits, its grants with their ids.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod account show acme")]
    Show {
        account: AccountId,
        #[command(flatten)]
        print: Print,
    },
    /// Open an account.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod account open acme --plan pro --name 'Acme Ltd' --label \
        north")]
    Open {
        account: AccountId,
        #[arg(long)]
        plan: String,
        /// What people call it.
        #[arg(long)]
        name: Option<String>,
        /// A word to find it by. May be repeated.
        #[arg(long = "label", value_name = "LABEL")]
        labels: Vec<String>,
        /// The day on which the plan started. Default: today (UTC).
        #[arg(long, value_name = "DAY", value_parser = moment::day)]
        anchor: Option<Day>,
        /// How it pays: active (the default), trialing, past_due or canceled.
        #[arg(long)]
        status: Option<String>,
        /// How many seats it pays for, of a plan by the seat.
        #[arg(long)]
        seats: Option<u32>,
        #[command(flatten)]
        how: How,
    },
    /// Change the plan of an account.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod account plan acme pro --status active\n  \
        scrip --stack scrip-prod account plan acme free --at period_end")]
    Plan {
        account: AccountId,
        plan: String,
        /// How it pays: active, trialing, past_due or canceled.
        #[arg(long)]
        status: Option<String>,
        /// How many seats it pays for, of a plan by the seat.
        #[arg(long)]
        seats: Option<u32>,
        /// When the plan changes: now (the default) or period_end.
        #[arg(long)]
        at: Option<String>,
        /// Begin the plan's period anew today.
        #[arg(long)]
        restart: bool,
        #[command(flatten)]
        how: How,
    },
    /// Change what people call an account, or its labels.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod account name acme --name 'Acme Ltd' --label north --label \
        vip")]
    Name {
        account: AccountId,
        /// What people call it; empty removes it.
        #[arg(long)]
        name: Option<String>,
        /// A word to find it by, in place of those that it has. May be repeated.
        #[arg(long = "label", value_name = "LABEL")]
        labels: Vec<String>,
        /// Remove all labels.
        #[arg(long, conflicts_with = "labels")]
        no_labels: bool,
        #[command(flatten)]
        how: How,
    },
    /// Stop an account from spending.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod account freeze acme --reason 'a key has leaked'")]
    Freeze(OfAccount),
    /// Let a frozen account spend again.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod account unfreeze acme --reason 'the key was replaced'")]
    Unfreeze(OfAccount),
}

#[derive(Debug, Subcommand)]
pub enum GrantsCommand {
    /// Take back what is left of a grant. What was spent, and what a hold keeps, stays.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod grants revoke acme 01a20133-3351-861f-a741-3e877fc17fc8 \
        --reason 'the wrong account'")]
    Revoke {
        account: AccountId,
        /// The id of the grant, as `scrip account show` prints it.
        grant: String,
        #[command(flatten)]
        because: Because,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Subcommand)]
pub enum DebtCommand {
    /// Cancel all of it.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod debt waive acme --reason 'goodwill, ticket 88'")]
    Waive(OfAccount),
}

#[derive(Debug, Subcommand)]
pub enum PaymentsCommand {
    /// List payments, the latest first: of all accounts, or of one.
    #[command(after_help = "Examples:\n  \
        scrip --stack scrip-prod payments list --state parked\n  \
        scrip --stack scrip-prod payments list --account acme")]
    List {
        /// Only payments in this state.
        #[arg(long, value_parser = State::ALL.map(State::name))]
        state: Option<String>,
        /// Only payments of this account.
        #[arg(long)]
        account: Option<AccountId>,
        #[command(flatten)]
        print: Print,
    },
    /// Print a payment and its account.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod payments show pi_3a1b2c3d4e5f")]
    Show {
        /// A payment intent (pi_...), an order, or an event that waits.
        id: String,
        #[command(flatten)]
        print: Print,
    },
    /// Take a parked payment for what was ordered.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod payments release pi_3a1b2c3d4e5f --reason 'the rest came \
        by bank'")]
    Release(OfPayment),
    /// Give no credits for a parked payment, for good.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod payments dismiss pi_3a1b2c3d4e5f --reason 'refunded in \
        Stripe'")]
    Dismiss(OfPayment),
}

/// The entries to print.
#[derive(Debug, Args)]
pub struct Ledger {
    pub account: AccountId,
    /// Only from this day or time on (UTC).
    #[arg(long, value_name = "DAY|TIME")]
    pub since: Option<Moment>,
    /// Only to the end of this day, or before this time (UTC).
    #[arg(long, value_name = "DAY|TIME")]
    pub until: Option<Moment>,
    /// Only entries of this action.
    #[arg(long)]
    pub action: Option<String>,
    /// Only calls of this model, and their refunds.
    #[arg(long)]
    pub model: Option<String>,
    /// Only entries of this user.
    #[arg(long)]
    pub user: Option<String>,
    /// Only entries of this kind: debit, granted, refunded, ...
    #[arg(long)]
    pub kind: Option<String>,
    /// Print CSV, the latest first, as the API has it.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    #[command(flatten)]
    pub print: Print,
}

#[derive(Debug, Args)]
pub struct Grant {
    pub account: AccountId,
    pub credits: Credits,
    /// Your own reference, such as a contract.
    #[arg(long)]
    pub reference: Option<String>,
    /// When what is left of them expires. Default: never.
    #[arg(long, value_name = "DAY|TIME")]
    pub expires: Option<Moment>,
    /// A promotion: such credits are spent before those that were paid for.
    #[arg(long)]
    pub promotional: bool,
    #[command(flatten)]
    pub because: Because,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Session {
    pub account: AccountId,
    /// The customer, in your product's words.
    #[arg(long, default_value = "customer")]
    pub subject: String,
    /// Allow buying credits, too.
    #[arg(long)]
    pub buy: bool,
    /// Where the page's way back leads. Default: the first origin that the stack allows, or the
    /// address of the API.
    #[arg(long, value_name = "URL")]
    pub return_url: Option<String>,
    /// Offer packs in this currency, where they are sold in it: usd, eur. Default: the browser's.
    #[arg(long)]
    pub currency: Option<Currency>,
    /// Show the page in this language: de, de-AT. Default: the browser's.
    #[arg(long, value_name = "LANGUAGE")]
    pub locale: Option<Locale>,
    /// How long the session lives, in seconds. Default: an hour.
    #[arg(long, value_name = "SECONDS")]
    pub expires_in: Option<u32>,
    #[command(flatten)]
    pub print: Print,
}
