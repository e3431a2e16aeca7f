//! The surroundings of the function: what it needs for any of its work.

use shared::bus::Bus;
use shared::queue::Queue;
use shared::world::World;

/// What the function needs besides its world.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub world: World,
    pub queue: Queue,
    pub bus: Bus,
}
