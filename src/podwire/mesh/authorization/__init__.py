"""Who may connect and what may be requested: policies -> rules -> decision. Pure."""
