/* Included twice, and by another file of the same program, too. */

#include <rmqtt.h>
#include <rmqtt.h>

int header_other(void);

int main(void) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("topic");
    message.payload = rmqtt_bytes("payload", 7);
    if (message.struct_size != sizeof message || message.topic.len != 5 || message.payload.len != 7) {
        return 1;
    }
    if (rmqtt_abi_version() != RMQTT_ABI_VERSION || RMQTT_ERR_BIND != -4 || RMQTT_LEVEL_TRACE != 5) {
        return 2;
    }
    return header_other();
}
