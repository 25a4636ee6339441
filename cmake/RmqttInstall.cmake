# What `cmake --install` writes. The tree may be moved afterwards: nothing in it names the prefix.

include(CMakePackageConfigHelpers)

set(rmqtt_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/rmqttc")
set(rmqtt_generated "${PROJECT_BINARY_DIR}/package")

install(FILES "${PROJECT_SOURCE_DIR}/include/rmqtt.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(RMQTT_HAS_CPP)
  install(FILES "${PROJECT_SOURCE_DIR}/bindings/cpp/rmqtt.hpp" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/bindings/cpp/rmqtt" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
endif()

install(PROGRAMS "${RMQTT_SHARED_REAL}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${RMQTT_SHARED_ABI}" "${RMQTT_SHARED_LINK}" "${RMQTT_STATIC}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/rmqttcConfig.cmake.in"
  "${rmqtt_generated}/rmqttcConfig.cmake"
  INSTALL_DESTINATION "${rmqtt_package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${rmqtt_generated}/rmqttcConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${rmqtt_generated}/rmqttcConfig.cmake" "${rmqtt_generated}/rmqttcConfigVersion.cmake"
  DESTINATION "${rmqtt_package_dir}")

file(RELATIVE_PATH rmqtt_pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" rmqtt_pc_to_prefix "${rmqtt_pc_to_prefix}")
set(RMQTT_PC_PREFIX "\${pcfiledir}/${rmqtt_pc_to_prefix}")
set(RMQTT_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
set(RMQTT_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/rmqttc.pc.in" "${rmqtt_generated}/rmqttc.pc" @ONLY)
install(FILES "${rmqtt_generated}/rmqttc.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(RMQTT_BUILD_EXAMPLES)
  install(TARGETS rmqtt-broker DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE-APACHE" "${PROJECT_SOURCE_DIR}/LICENSE-MIT"
  DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/rmqttc")
