"""An image endpoint that charges for what it delivered."""
