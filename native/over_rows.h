// Work on rows, shared among threads block by block.
#pragma once

#include <cstdint>

namespace crossent {

// Work on the rows begin … end, whatever it is: what shares it out is compiled once.
struct RowsWork {
    void* what;
    int64_t (*call)(void* what, int64_t begin, int64_t end);
    int64_t operator()(int64_t begin, int64_t end) const { return call(what, begin, end); }
};

// Calls work(begin, end) for blocks that cover 0 … rows, from up to `threads` threads. A block is a multiple of
// 8 rows, so that what lies in the lanes of a vector does not depend on the number of threads. Returns the first
// row that work gave back (it gives −1 for none), however the threads took turns.
int64_t share_rows(int64_t rows, int64_t block, int threads, RowsWork work);

// GOMP_parallel of an OpenMP runtime: calls work(data) from `threads` threads that it keeps.
using Team = void (*)(void (*work)(void* data), void* data, unsigned threads, unsigned flags);

// From now on rows are shared among the threads of this team, null for threads of our own. OpenMP's threads look
// for work without rest for a while after each use: threads beside them would have no processor to themselves.
// A process forked from this one has no team, since the team's threads do not live on there.
void borrow_team(Team team);

template <class Work>
int64_t over_rows(int64_t rows, int64_t block, int threads, Work work) {
    const auto call = [](void* what, int64_t begin, int64_t end) { return (*static_cast<Work*>(what))(begin, end); };
    return share_rows(rows, block, threads, {&work, call});
}

}  // namespace crossent
