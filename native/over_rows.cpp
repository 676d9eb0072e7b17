#include "over_rows.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace crossent {

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
    std::vector<std::thread> others;
    try {
        for (int i = 1; i < threads; ++i) others.emplace_back(turn);
    } catch (...) {
        // the system gives no more threads: those there are, this one at least, do all the work
    }
    turn();
    for (std::thread& other : others) other.join();
    if (failure) std::rethrow_exception(failure);
    return found < rows ? found.load() : -1;
}

}  // namespace crossent
