#ifndef RMQTT_TESTS_SECOND_UNIT_HPP
#define RMQTT_TESTS_SECOND_UNIT_HPP

#include <rmqtt.hpp>

rmqtt::Broker broker_of_second_unit();

#endif
