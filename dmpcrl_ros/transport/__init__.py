"""Protocols over ROS 2: messages, the mailbox that keeps what arrived, and the driver that runs one agent's program."""
