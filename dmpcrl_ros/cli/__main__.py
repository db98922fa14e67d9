"""`python -m dmpcrl_ros.cli`: the command without its script."""

from dmpcrl_ros.cli import main

main()
