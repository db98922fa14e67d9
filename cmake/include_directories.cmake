# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

# Message packages installed from wheels record the Python include directory of the
# machine that built the wheel, and CMake refuses imported targets with such a path.
# Keeps the directories that exist; changes nothing on a regular ROS 2 installation.
function(keep_existing_include_dirs)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  list(FILTER targets INCLUDE REGEX "__rosidl_generator_py$")
  foreach(target IN LISTS targets)
    get_target_property(recorded ${target} INTERFACE_INCLUDE_DIRECTORIES)
    set(existing "")
    foreach(directory IN LISTS recorded)
      if(EXISTS "${directory}")
        list(APPEND existing "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}")
  endforeach()
endfunction()

# The generator exports NumPy's include directory. CMake refuses to export a directory of the
# source tree, and that is where NumPy stands when its environment is the .venv of `make`.
function(do_not_export_include_dirs_of_the_source_tree)
  set(target ${PROJECT_NAME}__rosidl_generator_py)
  get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
  set(exported "")
  foreach(directory IN LISTS directories)
    cmake_path(IS_PREFIX CMAKE_CURRENT_SOURCE_DIR "${directory}" in_source_tree)
    if(in_source_tree)
      set(directory "$<BUILD_INTERFACE:${directory}>")
    endif()
    list(APPEND exported "${directory}")
  endforeach()
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${exported}")
endfunction()
