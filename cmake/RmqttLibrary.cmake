# Builds the library with cargo and offers it under the names that the installed package has: rmqttc::rmqttc (shared),
# rmqttc::static and rmqttc::cpp.

find_program(RMQTT_CARGO cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" DOC "The Rust build tool")
if(NOT RMQTT_CARGO)
  message(FATAL_ERROR "cargo is missing: install Rust from https://rustup.rs, or set RMQTT_CARGO")
endif()

if(DEFINED ENV{CARGO_TARGET_DIR})
  set(rmqtt_default_target_dir "$ENV{CARGO_TARGET_DIR}")
else()
  set(rmqtt_default_target_dir "${PROJECT_SOURCE_DIR}/target")
endif()
set(RMQTT_CARGO_TARGET_DIR "${rmqtt_default_target_dir}" CACHE PATH "Where cargo builds")

set(RMQTT_SHARED_REAL "${RMQTT_LIB_DIR}/librmqttc.so.${RMQTT_VERSION}")
set(RMQTT_SHARED_ABI "${RMQTT_LIB_DIR}/librmqttc.so.${RMQTT_ABI_VERSION}")
set(RMQTT_SHARED_LINK "${RMQTT_LIB_DIR}/librmqttc.so")
set(RMQTT_STATIC "${RMQTT_LIB_DIR}/librmqttc.a")

# What a static library does not carry with it. A test compares the file with what rustc prints.
set(rmqtt_native_file "${PROJECT_SOURCE_DIR}/cmake/native-static-libs.txt")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${rmqtt_native_file}")
file(STRINGS "${rmqtt_native_file}" RMQTT_NATIVE_LIBS LIMIT_COUNT 1)
separate_arguments(RMQTT_NATIVE_LIBS_LIST UNIX_COMMAND "${RMQTT_NATIVE_LIBS}")

# Only cargo knows whether something has changed, so it is asked on every build. The crate types are named because
# cargo does without link-time optimisation where an rlib is built too. The job server of make is not for cargo: make
# passes it on to sub-makes only.
set(rmqtt_profile_dir "${RMQTT_CARGO_TARGET_DIR}/$<IF:$<CONFIG:Debug>,debug,release>")
add_custom_target(rmqttc_build ALL
  COMMAND "${CMAKE_COMMAND}" -E env --unset=MAKEFLAGS
    "${RMQTT_CARGO}" rustc --profile $<IF:$<CONFIG:Debug>,dev,release> --locked --lib --crate-type cdylib,staticlib
    --manifest-path "${PROJECT_SOURCE_DIR}/Cargo.toml" --target-dir "${RMQTT_CARGO_TARGET_DIR}"
  COMMAND "${CMAKE_COMMAND}" -E make_directory "${RMQTT_LIB_DIR}"
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${rmqtt_profile_dir}/librmqttc.so" "${RMQTT_SHARED_REAL}"
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${rmqtt_profile_dir}/librmqttc.a" "${RMQTT_STATIC}"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink "librmqttc.so.${RMQTT_VERSION}" "${RMQTT_SHARED_ABI}"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink "librmqttc.so.${RMQTT_ABI_VERSION}" "${RMQTT_SHARED_LINK}"
  BYPRODUCTS "${RMQTT_SHARED_REAL}" "${RMQTT_SHARED_ABI}" "${RMQTT_SHARED_LINK}" "${RMQTT_STATIC}"
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMENT "cargo: librmqttc"
  USES_TERMINAL
  VERBATIM)

add_library(rmqttc::rmqttc SHARED IMPORTED GLOBAL)
set_target_properties(rmqttc::rmqttc PROPERTIES
  IMPORTED_LOCATION "${RMQTT_SHARED_REAL}"
  IMPORTED_SONAME "librmqttc.so.${RMQTT_ABI_VERSION}"
  INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include")
add_dependencies(rmqttc::rmqttc rmqttc_build)

add_library(rmqttc::static STATIC IMPORTED GLOBAL)
set_target_properties(rmqttc::static PROPERTIES
  IMPORTED_LOCATION "${RMQTT_STATIC}"
  INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include"
  INTERFACE_LINK_LIBRARIES "${RMQTT_NATIVE_LIBS_LIST}")
add_dependencies(rmqttc::static rmqttc_build)

if(RMQTT_HAS_CPP)
  add_library(rmqttc::cpp INTERFACE IMPORTED GLOBAL)
  set_target_properties(rmqttc::cpp PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/bindings/cpp"
    INTERFACE_COMPILE_FEATURES cxx_std_17
    INTERFACE_LINK_LIBRARIES rmqttc::rmqttc)
endif()

# For programs that are built against this tree with other tools, such as cgo.
set(RMQTT_PC_PREFIX "${PROJECT_BINARY_DIR}")
set(RMQTT_PC_INCLUDEDIR "${PROJECT_SOURCE_DIR}/include")
set(RMQTT_PC_LIBDIR "${RMQTT_LIB_DIR}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/rmqttc.pc.in" "${RMQTT_LIB_DIR}/pkgconfig/rmqttc.pc" @ONLY)
