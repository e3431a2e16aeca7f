//! The commands that speak to the API of a stack, as the person who runs them.

mod account;
mod change;
mod credits;
pub(crate) mod fields;
mod ledger;
mod payments;
mod session;

use crate::api::Api;
use crate::options::operator::{DebtCommand, GrantsCommand, OperatorCommand};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Runs a command on the stack of `api`.
///
/// # Errors
/// If the API refuses it, or a change is not confirmed.
pub async fn run(api: &Api, command: OperatorCommand) -> Result<(), Error> {
    match command {
        OperatorCommand::Account(command) => account::run(api, command).await,
        OperatorCommand::Ledger(asked) => ledger::ledger(api, asked).await,
        OperatorCommand::Usage { account, since, until, print } => {
            ledger::usage(api, &account, (since, until), print.json).await
        }
        OperatorCommand::Grant(asked) => credits::grant(api, asked).await,
        OperatorCommand::Grants(GrantsCommand::Revoke { account, grant, because, how }) => {
            credits::revoke(api, &account, &grant, &because, &how).await
        }
        OperatorCommand::Refund { account, debit, credits: amount, reference, because, how } => {
            let refund = credits::Refund { account, debit, amount, reference };
            credits::refund(api, refund, &because, &how).await
        }
        OperatorCommand::Debt(DebtCommand::Waive(asked)) => credits::waive(api, asked).await,
        OperatorCommand::Payments(command) => payments::run(api, command).await,
        OperatorCommand::Session(asked) => session::run(api, asked).await,
    }
}
