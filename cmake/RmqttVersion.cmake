# Reads every number from the place where it stands already: the version from Cargo.toml, the version of the binary
# interface from the header.

set(rmqtt_manifest "${CMAKE_CURRENT_LIST_DIR}/../Cargo.toml")
set(rmqtt_header "${CMAKE_CURRENT_LIST_DIR}/../include/rmqtt.h")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${rmqtt_manifest}" "${rmqtt_header}")

# The first `version` is that of the package; those of dependencies follow.
file(STRINGS "${rmqtt_manifest}" rmqtt_line REGEX "^version = \"[0-9.]+\"" LIMIT_COUNT 1)
if(NOT rmqtt_line MATCHES "\"([0-9]+\\.[0-9]+\\.[0-9]+)\"")
  message(FATAL_ERROR "Cargo.toml has no version")
endif()
set(RMQTT_VERSION "${CMAKE_MATCH_1}")

file(STRINGS "${rmqtt_header}" rmqtt_line REGEX "^#define RMQTT_ABI_VERSION [0-9]+")
if(NOT rmqtt_line MATCHES "RMQTT_ABI_VERSION ([0-9]+)")
  message(FATAL_ERROR "include/rmqtt.h has no RMQTT_ABI_VERSION")
endif()
set(RMQTT_ABI_VERSION "${CMAKE_MATCH_1}")
