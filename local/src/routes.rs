//! From a request to the function that answers it, by the template's routes.

use lambda_http::{Body, Request, RequestExt, Response};
use shared::http::Problem;
use shared::world::World;

use crate::template::{Route, Template};

/// The functions behind the template's routes.
#[derive(Clone, Debug)]
pub struct Functions {
    world: World,
    routes: Vec<Route>,
}

impl Functions {
    pub fn new(world: World) -> Functions {
        Functions { world, routes: Template::load().routes() }
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// Answers a request as the gateway and the functions behind it would.
    pub async fn answer(&self, request: Request) -> Response<Body> {
        let (method, path) = (request.method().as_str(), request.uri().path().to_owned());
        let route = self.routes.iter().find(|route| route.matches(method, &path));
        let request = request.with_raw_http_path(path);
        let world = &self.world;
        match route.map(|route| route.function.as_str()) {
            Some("debit") => debit::handle(world, request).await,
            Some("balance") => balance::handle(world, request).await,
            Some("accounts") => accounts::handle(world, request).await,
            _ => Problem::no_route().into_response(),
        }
    }
}
