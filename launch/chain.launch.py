"""The chain of papers 001 and 000.

`ros2 launch dmpcrl_ros chain.launch.py agents:=3 steps:=1000 output:=/tmp/chain`
"""

from dmpcrl_ros.launching import launch_arguments
from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(launch_arguments())
