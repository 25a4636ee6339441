// A library with another binary interface than the header: the loader prefers the function of the program to that of
// the shared library.

#include <rmqtt.hpp>

#include <cstring>
#include <iostream>

extern "C" std::uint32_t rmqtt_abi_version(void) {
    return RMQTT_ABI_VERSION + 1;
}

int main() {
    try {
        rmqtt::Broker broker("{}");
    } catch (const rmqtt::Error &error) {
        std::cout << error.what() << std::endl;
        return error.code() == RMQTT_ERR_UNSUPPORTED && std::strstr(error.what(), "binary interface") ? 0 : 1;
    }
    std::cout << "a broker of another binary interface" << std::endl;
    return 1;
}
