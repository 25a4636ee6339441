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
