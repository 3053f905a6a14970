// Rings under many threads, and pictures from memory through the camera thread.
#include <atomic>

#include "backends/pushed.h"
#include "driver.h"

namespace driver {

using namespace verdictd;
using std::chrono::milliseconds;

void ring_cases() {
  constexpr int kRounds = 2000;
  const std::shared_ptr<Ring> ring = Ring::create({3, 8, 8});
  std::atomic<int> filled{0};
  std::atomic<int> torn{0};
  const auto work = [&](int me) {
    for (int i = 0; i < kRounds; i++) {
      const std::optional<Lease> lease = i % 2 == 0 ? ring->acquire() : ring->acquire_within(milliseconds(1));
      if (!lease) continue;
      float* values = ring->tensor(lease->slot);
      for (size_t k = 0; k < ring->tensor_values(); k++) values[k] = static_cast<float>(me);
      for (size_t k = 0; k < ring->tensor_values(); k++) {
        if (values[k] != static_cast<float>(me)) torn++;
      }
      const bool pinned = ring->pin(*lease);
      if (ring->release(*lease) != Ring::Released::yes || ring->release(*lease) == Ring::Released::yes) torn++;
      // Released, yet not filled again before the pin goes.
      if (pinned) {
        if (values[0] != static_cast<float>(me)) torn++;
        ring->unpin(lease->slot);
      }
      filled++;
    }
  };
  std::vector<std::thread> threads;
  for (int me = 1; me <= 4; me++) threads.emplace_back(work, me);
  for (int i = 0; i < kRounds; i++) CHECK(Ring::find(ring->id()) == ring);
  for (std::thread& thread : threads) thread.join();
  CHECK(torn == 0);
  CHECK(filled > 0);
  CHECK(ring->free() == 3);
  const uint32_t id = ring->id();
  ring->retire();
  CHECK(ring->retired());
  CHECK(Ring::find(id) != nullptr);  // held by us still
}

void pushed_cases() {
  constexpr int kPictures = 120;
  const auto ring = Ring::create({3, 32, 24});
  const auto outbox = std::make_shared<Outbox>();
  const auto backend = std::make_shared<PushedBackend>(outbox);
  CameraThread thread(backend, outbox);
  uint64_t request = 0;
  {
    Consumer consumer(outbox, ring);
    thread.post(++request, OpenCommand{});
    StreamSetup setup;
    setup.ring = ring;
    setup.input = {32, 24, {0, 0, 0}, {1, 1, 1}, {}};
    setup.thumbnail_width = 64;
    thread.post(++request, StartCommand{setup});
    CHECK(std::holds_alternative<std::monostate>(consumer.answer(request).result));
    std::vector<uint8_t> memory(96 * 64);
    for (int i = 1; i <= kPictures;) {
      std::fill(memory.begin(), memory.end(), static_cast<uint8_t>(i));
      RawFrame frame;
      frame.image = {96, 64, 96, PixelFormat::BayerRG8, memory.data()};
      frame.tag = static_cast<uint64_t>(i);
      // The memory is ours again at once, and is written over with the next turn.
      if (backend->push(frame) == PushedBackend::Pushed::yes) i++;
      else std::this_thread::yield();
      if (i % 10 == 0) static_cast<void>(thread.health());
    }
    CHECK(consumer.wait(kPictures));
    CHECK(consumer.frames() == kPictures);
    // Left in the queue when it ends.
    RawFrame last;
    last.image = {96, 64, 96, PixelFormat::BayerRG8, memory.data()};
    for (uint64_t tag = 1000; tag < 1004; tag++) {
      last.tag = tag;
      static_cast<void>(backend->push(last));
    }
    thread.finish();
  }
  CHECK(thread.end(milliseconds(10000)));
  CHECK(!thread.post(++request, OpenCommand{}));
  for (int tries = 0; tries < 1000 && ring->free() < 3; tries++) std::this_thread::sleep_for(milliseconds(1));
}

}  // namespace driver
