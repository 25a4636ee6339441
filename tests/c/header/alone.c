/* The header needs no other one before it, and no helper of it has to be used. */

#include <rmqtt.h>

int main(void) {
    return 0;
}
