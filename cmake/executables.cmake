# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

# Installs every console script of setup.cfg, the one list of executables, into
# lib/<package>/ (ros2 run and launch_ros look there) and into bin/ (on the PATH).
function(install_console_scripts)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS setup.cfg)
  file(STRINGS setup.cfg entry_points REGEX "^ +[a-z0-9_]+ *= *[a-z0-9_.]+:[a-z0-9_]+$")
  set(start "#!${Python3_EXECUTABLE}")
  if(start MATCHES " ")
    # A #! line cannot hold a space. To Python the next two lines are a string, to sh a command.
    set(start "#!/bin/sh\n'''exec' \"${Python3_EXECUTABLE}\" \"$0\" \"$@\"\n' '''")
  endif()
  foreach(entry_point IN LISTS entry_points)
    string(REGEX MATCH "^ +([a-z0-9_]+) *= *([a-z0-9_.]+):([a-z0-9_]+)$" _ "${entry_point}")
    set(name ${CMAKE_MATCH_1})
    set(module ${CMAKE_MATCH_2})
    set(function ${CMAKE_MATCH_3})
    set(script ${CMAKE_CURRENT_BINARY_DIR}/executables/${name})
    file(CONFIGURE OUTPUT ${script} @ONLY CONTENT
"@start@
import sys

from @module@ import @function@

if __name__ == '__main__':  # worker processes import this file
    sys.exit(@function@())
")
    # Under colcon's --symlink-install this very file is run.
    file(CHMOD ${script} PERMISSIONS
      OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    install(PROGRAMS ${script} DESTINATION lib/${PROJECT_NAME})
    install(PROGRAMS ${script} DESTINATION bin)
  endforeach()
endfunction()
