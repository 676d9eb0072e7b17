#include "over_rows.h"

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define CROSSENT_FORKS 1
#endif

namespace crossent {
namespace {

std::atomic<Team> borrowed{nullptr};

// Calls turn() from up to `threads` threads, this one among them.
template <class Turn>
void from_threads(int threads, Turn& turn) {
    if (const Team team = borrowed) {
        team([](void* data) { (*static_cast<Turn*>(data))(); }, &turn, static_cast<unsigned>(threads), 0);
        return;
    }
    std::vector<std::thread> others;
    try {
        for (int i = 1; i < threads; ++i) others.emplace_back(std::ref(turn));
    } catch (...) {
        // the system gives no more threads: those there are, this one at least, do all the work
    }
    turn();
    for (std::thread& other : others) other.join();
}

}  // namespace

void borrow_team(Team team) {
#ifdef CROSSENT_FORKS
    static const int asked = pthread_atfork(nullptr, nullptr, [] { borrowed = nullptr; });
    if (asked) return;  // without that a forked process would wait for threads that it does not have
#endif
    borrowed = team;
}

int64_t share_rows(int64_t rows, int64_t block, int threads, RowsWork work) {
    const int64_t blocks = (rows + block - 1) / block;
    if (threads > blocks) threads = static_cast<int>(blocks);
    if (threads <= 1) return rows ? work(int64_t{0}, rows) : -1;
    std::atomic<int64_t> next{0}, found{rows};
    std::exception_ptr failure;
    std::mutex guard;
    auto turn = [&] {
        try {
            for (int64_t b = next++; b < blocks; b = next++) {
                if (b * block >= found) return;  // a row before these is bad already
                const int64_t end = (b + 1) * block < rows ? (b + 1) * block : rows;
                const int64_t bad = work(b * block, end);
                for (int64_t seen = found; bad >= 0 && bad < seen && !found.compare_exchange_weak(seen, bad);) {}
            }
        } catch (...) {
            const std::lock_guard<std::mutex> lock(guard);
            failure = std::current_exception();
        }
    };
    from_threads(threads, turn);
    if (failure) std::rethrow_exception(failure);
    return found < rows ? found.load() : -1;
}

}  // namespace crossent
