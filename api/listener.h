// Listens, and accepts connections while there are file descriptors that nobody else will need.
//
// gRPC's own acceptor never accepts again after the process once had no descriptor left
// (https://github.com/grpc/grpc/issues/20418), and a store that cannot open a file must stop. The
// system gives the lowest number that is free: connections get numbers below a bound, and one whose
// number is not is closed at once, so all numbers from there on are left to others.
//
// Thread rule: one thread at a time; connections are taken on the listener's own thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

namespace skald::api {

// How many of the process's file descriptors connections may have: half of its limit, or all but
// 10,000 of it if that is more.
int DescriptorsForConnections();

class Listener {
 public:
  // Gets the descriptor of a connection, which does not block, and owns it.
  using Taker = std::function<void(int descriptor)>;

  // Listens on "HOST:PORT", with all addresses of the host (port 0 picks a free one; an IPv6
  // address stands in brackets; [::] takes IPv4 as well), or on "unix:PATH", where a socket that is
  // there is replaced. Connections wait until Start. INVALID_ARGUMENT: that is no address.
  // FAILED_PRECONDITION: it cannot be listened on; the message says why.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const std::string& address,
                                                        int descriptors_max);
  // Stops, if that was not done.
  ~Listener();

  // The TCP port; 0 for a unix socket.
  int port() const { return port_; }

  // Gives connections to `taker` from now on. Once.
  void Start(Taker taker);
  // Accepts no more. After it `taker` is not called.
  void Stop();

 private:
  explicit Listener(int descriptors_max) : descriptors_max_(descriptors_max) {}

  absl::Status BindTcp(const std::string& address);
  absl::Status BindUnix(const std::string& path);
  void Run();
  // Takes some of what waits. False: the process has no descriptor left.
  bool Accept(int socket);
  void ReportRefused();

  const int descriptors_max_;
  std::vector<int> sockets_;
  std::string path_;  // of the unix socket, to be removed
  int port_ = 0;
  int stop_ = -1;  // becomes readable when the thread has to end
  Taker taker_;
  std::thread thread_;
  Micros reported_ = 0;  // when refusals were told last, by the steady clock; of the thread
};

}  // namespace skald::api
