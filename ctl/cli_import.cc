#include "ctl/cli_import.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>
#include <set>
#include <utility>

#include "ctl/key_file.h"
#include "ctl/network_file.h"
#include "ctl/set_request.h"
#include "ctl/write_whole.h"
#include "network/load.h"
#include "network/name_rules.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

// The first word of the comment in front of [Peer] where it can be a name, else peerN.
std::string name_of(const WgQuickPeer& peer, std::size_t number, std::set<std::string>& taken) {
  std::string name = peer.comment.substr(0, peer.comment.find_first_of(" \t,;:("));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (name.empty() || !host_name_fault(name).empty() || taken.contains(name)) {
    name = fmt::format("peer{}", number);
  }
  taken.insert(name);
  return name;
}

class Importer {
 public:
  Importer(const WgQuickFile& file, const WgQuickName& name) : file_(file), name_(name) {}

  Result<ImportedNetwork> run(const std::string& host, const std::string& endpoint) {
    if (file_.addresses.empty()) {
      fault(1, "there is no Address");
    } else {
      head();
      own_section(host, endpoint);
      std::set<std::string> taken{host};
      std::size_t number = 0;
      for (const WgQuickPeer& peer : file_.peers) section(peer, name_of(peer, ++number, taken));
    }
    leave_out();
    if (faults_.empty()) return std::move(out_);
    return Error{faults_.substr(1), EINVAL};
  }

 private:
  void fault(std::size_t line, std::string_view what) {
    faults_ += fmt::format("\n{}:{}: {}", name_.path, line, what);
  }
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_.text), format, std::forward<Args>(args)...);
  }

  void head() {
    add("[network]\nname = \"{}\"\nplan = \"full-mesh\"\ncidr = \"{}\"\n", name_.interface,
        file_.addresses.front().connected().to_string());
    if (file_.mtu) add("mtu = {}\n", *file_.mtu);
    for (std::size_t i = 1; i < file_.addresses.size(); ++i) {
      fault(1, fmt::format("Address {}: a member has one address", file_.addresses[i].to_string()));
    }
  }

  void own_section(const std::string& host, const std::string& endpoint) {
    if (endpoint.empty()) {
      fault(1, "where others reach this host is not in it; say so with --endpoint HOST:PORT");
    }
    if (file_.private_key.is_zero()) return fault(1, "there is no PrivateKey");
    PrivateKey key = file_.private_key.clone();
    add("\n[members.{}]\npublic_key = \"{}\"\nendpoint = \"{}\"\nmesh_ip = \"{}\"\n", host,
        key.derive_public().to_base64(), endpoint, file_.addresses.front().address.to_string());
    std::string why;
    const auto reached = parse_endpoint_name(endpoint, why);  // what is wrong, the check says
    if (file_.listen_port && *file_.listen_port != 0) {
      add("port = {}\n", *file_.listen_port);
    } else if (reached) {
      add("port = {}\n", reached->port);
    }
  }

  void section(const WgQuickPeer& peer, const std::string& member) {
    const Prefix tunnel = file_.addresses.front().connected();
    std::vector<Prefix> behind;
    std::optional<IpAddress> own;
    for (const Prefix& prefix : peer.allowed_ips) {
      const bool is_host = prefix.length() == prefix.address().bits();
      if (is_host && !own && tunnel.contains(prefix.address())) {
        own = prefix.address();
      } else {
        behind.push_back(prefix);
      }
    }
    if (!own) {
      return fault(peer.line, fmt::format("{}: AllowedIPs has no single address inside {}, which "
                                          "would be the member's own",
                                          member, tunnel.to_string()));
    }
    if (!peer.endpoint) {
      return fault(peer.line, fmt::format("{}: there is no Endpoint, and in a full mesh everybody "
                                          "has one",
                                          member));
    }
    // Where it listens only its own file says; mostly it is the port that others reach it at.
    add("\n[members.{}]\npublic_key = \"{}\"\nendpoint = \"{}\"\nmesh_ip = \"{}\"\nport = {}\n",
        member, peer.public_key.to_base64(), peer.endpoint->to_string(), own->to_string(),
        peer.endpoint->port);
    if (peer.persistent_keepalive) {
      add("persistent_keepalive = {}\n", *peer.persistent_keepalive);
    }
    if (!behind.empty()) {
      std::string list;
      for (const Prefix& prefix : behind) {
        list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", prefix.to_string());
      }
      add("allowed_ips = [{}]\n", list);
    }
    if (!peer.preshared_key) return;
    const std::string key_file = fmt::format("{}-{}.psk", name_.interface, member);
    add("preshared_key_file = \"{}\"\n", key_file);
    out_.preshared.emplace_back(key_file, peer.preshared_key->clone());
  }

  void leave_out() {
    const auto leave = [&](const WgQuickSetting& setting) {
      out_.left_out.push_back(
          fmt::format("{}:{}: {} is not taken over", name_.path, setting.line, setting.key));
    };
    for (const WgQuickSetting& setting : file_.hooks) leave(setting);
    for (const WgQuickSetting& setting : file_.dns) leave(setting);
    if (file_.table) leave({file_.table->line, "Table", {}});
    if (file_.save_config) leave(*file_.save_config);
    if (file_.fwmark) {
      out_.left_out.push_back(fmt::format("{}: FwMark is not taken over", name_.path));
    }
  }

  const WgQuickFile& file_;
  const WgQuickName& name_;
  ImportedNetwork out_;
  std::string faults_;
};

std::string own_host() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "this";
  const std::string full = name.data();
  const std::string host = full.substr(0, full.find('.'));
  return host_name_fault(host).empty() ? host : "this";
}

// A new file only, and whole.
Status write_new(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  const int error = fd ? write_to_disk(fd.get(), text) : errno;
  if (error == 0) return {};
  if (fd) ::unlink(path.c_str());
  return Error{fmt::format("{}: {}", path, std::strerror(error)), error};
}

std::string lines_of(const std::vector<Problem>& problems, const std::string& file) {
  std::string lines;
  for (const Problem& problem : problems) lines += problem_to_string(problem, file) + "\n";
  return lines;
}

// With its '/'; empty: here.
std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// All of the files, or none.
Status write_all(const ImportedNetwork& network, const PrivateKey& key, const std::string& base) {
  std::vector<std::string> made;
  const auto keep = [&](Status done, const std::string& path) {
    if (done) made.push_back(path);
    return done;
  };
  Status done = keep(write_private_key_file(base + ".key", key), base + ".key");
  const std::string directory = directory_of(base);
  for (const auto& [file, preshared] : network.preshared) {
    if (!done) break;
    done = keep(write_preshared_key_file(directory + file, preshared), directory + file);
  }
  if (done) done = keep(write_new(base + ".toml", network.text), base + ".toml");
  if (!done) {
    for (const std::string& path : made) ::unlink(path.c_str());
  }
  return done;
}

}  // namespace

Result<ImportedNetwork> import_as_full_mesh(const WgQuickFile& file, const WgQuickName& name,
                                            const std::string& host, const std::string& endpoint) {
  return Importer(file, name).run(host, endpoint);
}

CliOutput import_wg_quick(const CliArguments& arguments) {
  const Result<WgQuickName> name = wg_quick_name(arguments.wg_quick_file);
  if (!name) return CliOutput::failure(name.error().message);
  Result<std::string> read = read_text_file(name->path);
  if (!read) return CliOutput::failure(read.error().message);
  const SecretText text(std::move(*read));
  const Result<WgQuickFile> file = parse_wg_quick(text.view(), name->path);
  if (!file) return CliOutput::failure("nothing was written:\n" + file.error().message);
  const std::string host = arguments.host.empty() ? own_host() : arguments.host;
  const auto network = import_as_full_mesh(*file, *name, host, arguments.own_endpoint);
  if (!network) {
    return CliOutput::failure(
        fmt::format("nothing was written: a network file cannot say this; hawser up {} runs it as "
                    "it is\n{}",
                    arguments.wg_quick_file, network.error().message));
  }
  const LoadedNetwork loaded = load_network(network->text);
  const std::string base =
      (arguments.out_dir.empty() ? std::string() : arguments.out_dir + "/") + name->interface;
  const std::string problems = lines_of(loaded.problems, base + ".toml");
  if (!loaded.usable()) {
    return CliOutput::failure("nothing was written: the network would be wrong:\n" +
                              problems.substr(0, problems.size() - 1));
  }
  if (const Status done = write_all(*network, file->private_key, base); !done) {
    return CliOutput::failure("nothing was written: " + done.error().message);
  }
  CliOutput output;
  output.out = fmt::format("written: {}.toml, {}.key", base, base);
  for (const auto& preshared : network->preshared) {
    output.out += fmt::format(", {}{}", directory_of(base), preshared.first);
  }
  output.out += fmt::format(
      "\nThe network file is the same on every host, which has a key file of its own{1}:\n"
      "  hawserd --network {0}.toml --host {2} --private-key-file {0}.key\n",
      base,
      network->preshared.empty() ? ""
                                 : ", and the preshared keys (.psk) that it shares with others",
      host);
  for (const std::string& line : network->left_out) output.err += line + "\n";
  output.err += problems;  // warnings
  return output;
}

}  // namespace hawser
