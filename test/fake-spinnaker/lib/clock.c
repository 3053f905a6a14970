// Two clocks: the machine's monotonic one, in which callers' timeouts count, and the fake's own, which may run faster and in which
// exposures, transfers and delays pass.
#include <errno.h>
#include <time.h>

#include "fake.h"

static int64_t base_real, base_fake;

int64_t real_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t fake_now(void) { return base_fake + (int64_t)((double)(real_now() - base_real) * g.set.scale); }

int64_t real_of(int64_t fake) { return base_real + (int64_t)((double)(fake - base_fake) / g.set.scale); }

void set_scale(double scale) {
  const int64_t now = real_now();
  if (base_real == 0) base_fake = base_real = now;
  base_fake += (int64_t)((double)(now - base_real) * g.set.scale);
  base_real = now;
  g.set.scale = scale;
  changed();
}

void changed(void) { pthread_cond_broadcast(&g.changed); }

void wait_change(void) { pthread_cond_wait(&g.changed, &g.lock); }

void wait_real(int64_t until) {
  if (until == FOREVER) {
    wait_change();
    return;
  }
  struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
  pthread_cond_timedwait(&g.changed, &g.lock, &t);
}

void wait_fake(int64_t until) {
  if (until == FOREVER) {
    wait_change();
    return;
  }
  const double ahead = (double)(until - fake_now()) / g.set.scale;
  if (ahead > 0) wait_real(real_now() + (ahead > 1e17 ? INT64_C(100000000000000000) : (int64_t)ahead + 1));
}

void sleep_fake(int64_t ns) {
  const int64_t until = fake_now() + ns;
  while (fake_now() < until && !g.closing) wait_fake(until);
}
