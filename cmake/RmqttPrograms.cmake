# How the C programs of this project are compiled.

find_package(Threads REQUIRED)

add_library(rmqttc_warnings INTERFACE)
target_compile_options(rmqttc_warnings INTERFACE -Wall -Wextra -Wpedantic -Werror)

# rmqtt_add_program(NAME SOURCE...) builds bin/NAME. It finds the library beside itself, in the build tree as well as
# where it is installed.
function(rmqtt_add_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE rmqttc::rmqttc Threads::Threads rmqttc_warnings)
  set_target_properties(${name} PROPERTIES
    C_STANDARD 99
    C_STANDARD_REQUIRED ON
    C_EXTENSIONS OFF
    RUNTIME_OUTPUT_DIRECTORY "${RMQTT_BIN_DIR}"
    BUILD_RPATH "${RMQTT_LIB_DIR}"
    INSTALL_RPATH "$ORIGIN/${RMQTT_BIN_TO_LIB}")
endfunction()

file(RELATIVE_PATH RMQTT_BIN_TO_LIB "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")

# rmqtt_allocate_with(NAME ALLOCATOR) has a program, with the library in it, allocate memory with another library than the
# system's. That is the program's choice, never the library's.
function(rmqtt_allocate_with name allocator)
  if(allocator STREQUAL "system")
    return()
  endif()
  find_library(RMQTT_LIB_${allocator} NAMES ${allocator})
  if(NOT RMQTT_LIB_${allocator})
    message(FATAL_ERROR "lib${allocator} is missing: Debian has it in the package lib${allocator}-dev")
  endif()
  # Nothing refers to it by a name that only it has: it takes the place of malloc and free.
  target_link_libraries(${name} PRIVATE -Wl,--push-state,--no-as-needed "${RMQTT_LIB_${allocator}}" -Wl,--pop-state)
endfunction()
