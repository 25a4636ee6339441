# Makes the certificates that the tests of TLS use, when the tests are built: in RMQTT_TEST_CERTIFICATES, for whoever
# depends on the target rmqttc_test_certificates.

find_program(RMQTT_OPENSSL openssl DOC "Makes the certificates of the tests, and is a client of some")
if(NOT RMQTT_OPENSSL)
  message(FATAL_ERROR "openssl is missing: install the package openssl, or configure with -DRMQTT_BUILD_TESTS=OFF")
endif()

set(RMQTT_TEST_CERTIFICATES "${PROJECT_BINARY_DIR}/certificates")
set(rmqtt_certificates_script "${PROJECT_SOURCE_DIR}/tests/certificates.sh")
add_custom_command(
  OUTPUT "${RMQTT_TEST_CERTIFICATES}/made"
  COMMAND sh "${rmqtt_certificates_script}" "${RMQTT_TEST_CERTIFICATES}"
  COMMAND "${CMAKE_COMMAND}" -E touch "${RMQTT_TEST_CERTIFICATES}/made"
  DEPENDS "${rmqtt_certificates_script}"
  COMMENT "Certificates for the tests"
  VERBATIM)
add_custom_target(rmqttc_test_certificates ALL DEPENDS "${RMQTT_TEST_CERTIFICATES}/made")
