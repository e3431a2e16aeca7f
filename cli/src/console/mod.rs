//! `scrip console`: a page on this machine for account executives. Its requests go to the API with
//! the caller's own AWS identity, as `kubectl proxy` does: IAM decides, and the ledger names the
//! person.

pub mod gate;
mod server;

use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;

use tokio::net::TcpListener;
use uuid::Uuid;

use crate::api::Api;
use crate::terminal;
use gate::Gate;
use server::Console;

/// Serves the console of the stack called `stack` on loopback until the process ends, and prints
/// the address to open. The name is empty for the local stack; `port` 0 is a free one.
///
/// # Errors
/// If the port is in use.
pub async fn serve(api: Api, stack: String, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            let text = format!("port {port} is in use: leave --port out for a free one");
            io::Error::new(ErrorKind::AddrInUse, text)
        }
        _ => error,
    })?;
    let host = listener.local_addr()?.to_string();
    // 122 random bits.
    let token = Uuid::new_v4().simple().to_string();
    let name = if stack.is_empty() { "the local stack" } else { stack.as_str() };
    // What follows a `#` is sent to nobody, and is in no Referer.
    terminal::put(format!(
        "The console of {name} is at\n\n  http://{host}/#token={token}\n\n\
         Open this address in a browser on this machine. Ctrl-C ends the console.\n"
    ))?;
    server::serve(listener, Console { api, stack, gate: Gate::new(host, token) }).await
}
