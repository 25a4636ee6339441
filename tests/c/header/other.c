#include <rmqtt.h>

int header_other(void);

int header_other(void) {
    rmqtt_stats_t stats = rmqtt_stats_init();
    return stats.struct_size == sizeof stats && rmqtt_str("text").len == 4 ? 0 : 3;
}
