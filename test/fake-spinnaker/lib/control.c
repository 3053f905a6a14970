// Live commands: a Unix-domain stream socket, one line in, one line out ("ok ..." or "error ...").
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"

#define CLIENTS 8
typedef struct {
  int file;
  size_t used;
  char line[600];
} Client;

static int listening = -1, wake[2] = {-1, -1};
static char path_of[108];
static pthread_t thread;
static Client clients[CLIENTS];

static void answer(int file, const char *line) {
  static char text[16384], reply[16400];  // one control thread
  pthread_mutex_lock(&g.lock);
  const bool good = run_command(line, text, sizeof text);
  pthread_mutex_unlock(&g.lock);
  const int length = snprintf(reply, sizeof reply, "%s%s%s\n", good ? "ok" : "error", text[0] ? " " : "", text);
  for (int sent = 0; sent < length;) {
    const ssize_t some = send(file, reply + sent, (size_t)(length - sent), MSG_NOSIGNAL);
    if (some <= 0) return;
    sent += (int)some;
  }
}

// False: the client has gone, or writes lines without end.
static bool hear(Client *client) {
  const ssize_t some = read(client->file, client->line + client->used, sizeof client->line - 1 - client->used);
  if (some <= 0) {
    client->line[client->used] = 0;
    if (client->used > 0) answer(client->file, client->line);  // `printf unplug | ...`
    return false;
  }
  client->used += (size_t)some;
  char *end;
  while ((end = memchr(client->line, '\n', client->used)) != NULL) {
    *end = 0;
    answer(client->file, client->line);
    const size_t line = (size_t)(end - client->line) + 1;
    client->used -= line;
    memmove(client->line, end + 1, client->used);
  }
  return client->used < sizeof client->line - 1;
}

static void *serve(void *unused) {
  (void)unused;
  for (;;) {
    struct pollfd watched[CLIENTS + 2] = {{.fd = wake[0], .events = POLLIN}, {.fd = listening, .events = POLLIN}};
    for (int i = 0; i < CLIENTS; i++) watched[i + 2] = (struct pollfd){.fd = clients[i].file, .events = POLLIN};
    if (poll(watched, CLIENTS + 2, -1) < 0 && errno != EINTR) return NULL;
    if (watched[0].revents != 0) return NULL;
    for (int i = 0; i < CLIENTS; i++) {
      if (clients[i].file < 0 || watched[i + 2].revents == 0 || hear(&clients[i])) continue;
      close(clients[i].file);
      clients[i].file = -1;
    }
    if ((watched[1].revents & POLLIN) == 0) continue;
    const int file = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    int place = 0;
    while (place < CLIENTS && clients[place].file >= 0) place++;
    if (file >= 0 && place < CLIENTS) clients[place] = (Client){.file = file};
    else if (file >= 0) close(file);
  }
}

bool control_open(const char *path, char *why, size_t size) {
  if (listening >= 0) {
    if (strcmp(path, path_of) == 0) return true;
    snprintf(why, size, "control: listens on %s already", path_of);
    return false;
  }
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    snprintf(why, size, "control: the path is longer than %zu characters", sizeof address.sun_path - 1);
    return false;
  }
  memcpy(address.sun_path, path, strlen(path) + 1);
  listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A socket nobody listens on is left over from a killed process.
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(probe, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED) unlink(path);
  close(probe);
  for (int i = 0; i < CLIENTS; i++) clients[i].file = -1;
  if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 8) != 0 || pipe(wake) != 0 ||
      pthread_create(&thread, NULL, serve, NULL) != 0) {
    snprintf(why, size, "control: %.150s: %s", path, strerror(errno));
    if (listening >= 0) close(listening);
    listening = -1;
    return false;
  }
  memcpy(path_of, address.sun_path, sizeof path_of);
  return true;
}

// Called with the lock held, which is let go meanwhile.
void control_close(void) {
  if (listening < 0) return;
  if (write(wake[1], "x", 1) != 1) return;
  pthread_mutex_unlock(&g.lock);
  pthread_join(thread, NULL);
  pthread_mutex_lock(&g.lock);
  for (int i = 0; i < CLIENTS; i++) {
    if (clients[i].file >= 0) close(clients[i].file);
  }
  close(listening);
  close(wake[0]);
  close(wake[1]);
  unlink(path_of);
  listening = -1;
}
