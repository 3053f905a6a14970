// Edges of a trigger line that gave no frame, by the camera's own counter of edges. Frames follow their edges by exposure and transfer,
// so the counter is compared with a later moment's frames; what is told is never more than were missed, and never goes down.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace verdictd {

class MissedEdges {
 public:
  MissedEdges() = default;
  // `counter`: what the counter shows as the stream begins. `exposure` in ms.
  MissedEdges(double counter, double exposure) : base_(counter), exposure_(exposure) {}

  // A frame that came; `exposed`: end of exposure, ms, monotonic. Numbers that were left out stay missed.
  void frame(uint64_t id, double exposed) {
    if (last_id_ && id <= *last_id_) return;
    last_id_ = id;
    taken_++;
    if (look_ && exposed <= look_->at + exposure_ + kDoubt) look_->frames = taken_;
  }
  // A spoilt one, whose time is not known but for its arrival.
  void spoilt(uint64_t id, double arrived) { frame(id, arrived - kTransfer); }

  // The counter now. Returns the edges missed since the stream began, as far as can be said.
  double count(double counter, double now) {
    if (look_ && now - look_->at < exposure_ + kTransfer) return missed_;
    if (look_) missed_ = std::max(missed_, look_->edges - look_->frames);
    look_ = Look{now, counter - base_, taken_};
    return missed_;
  }

 private:
  // What the two clocks may be off, and the camera may put an exposure off while it reads the last one out, ms.
  static constexpr double kDoubt = 100;
  // From the end of an exposure to its frame at the most, ms.
  static constexpr double kTransfer = 800;

  struct Look {
    double at;      // ms, monotonic
    double edges;   // counted by then
    double frames;  // that their edges by then have given
  };

  double base_ = 0;
  double exposure_ = 0;
  double taken_ = 0;
  std::optional<uint64_t> last_id_;
  double missed_ = 0;
  std::optional<Look> look_;
};

}  // namespace verdictd
