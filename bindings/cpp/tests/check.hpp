// CHECK and what the scenarios wait with. Nothing here waits longer than PATIENCE, and nothing sleeps for luck.

#ifndef RMQTT_TESTS_CHECK_HPP
#define RMQTT_TESTS_CHECK_HPP

#include <chrono>
#include <future>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

// Long enough for a busy machine under memcheck; a test that passes does not spend it.
constexpr std::chrono::seconds PATIENCE(30);

class Failed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

[[noreturn]] inline void failed(const char *file, int line, const std::string &what) {
    std::ostringstream text;
    text << file << ':' << line << ": " << what;
    throw Failed(text.str());
}

#define CHECK(condition)                                 \
    do {                                                 \
        if (!(condition)) {                              \
            failed(__FILE__, __LINE__, "not " #condition); \
        }                                                \
    } while (false)

#define CHECK_EQ(left, right)                                              \
    do {                                                                   \
        const auto &left_ = (left);                                        \
        const auto &right_ = (right);                                      \
        if (!(left_ == right_)) {                                          \
            std::ostringstream text_;                                      \
            text_ << #left " is " << left_ << ", not " << right_;          \
            failed(__FILE__, __LINE__, text_.str());                       \
        }                                                                  \
    } while (false)

// Runs `code` and answers the rmqtt::Error it must throw.
#define ERROR_OF(...)                                                                 \
    [&]() -> rmqtt::Error {                                                           \
        try {                                                                         \
            __VA_ARGS__;                                                              \
        } catch (const rmqtt::Error &caught_) {                                       \
            return caught_;                                                           \
        }                                                                             \
        failed(__FILE__, __LINE__, "no error from " #__VA_ARGS__);                    \
    }()

template <typename T> T get(std::future<T> future) {
    if (future.wait_for(PATIENCE) != std::future_status::ready) {
        throw Failed("waited for nothing");
    }
    return future.get();
}

// For what the broker tells nobody: polls, yielding in between.
template <typename Condition> void until(const char *what, Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw Failed(std::string("waited in vain: ") + what);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

#define UNTIL(condition) until(#condition, [&] { return (condition); })

#endif
