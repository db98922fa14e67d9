"""Protocols over ROS 2: messages, and the driver that runs one agent's program."""
