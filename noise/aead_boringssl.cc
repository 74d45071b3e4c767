#include <optional>

#include "noise/aead_backends.h"
#include "noise/boringssl_key.h"

namespace hawser::noise_internal {
namespace {

// One key set up for the jobs of a batch that follow each other with it: a train has one key.
class KeyOfRun {
 public:
  const EVP_AEAD_CTX* get(const TransportKey* key) {
    if (key != key_) {
      context_.emplace(key->bytes());
      key_ = key;
    }
    return context_->get();
  }

 private:
  const TransportKey* key_ = nullptr;
  std::optional<BoringSslKey> context_;
};

class BoringSslAead final : public Aead {
 public:
  std::string_view name() const override { return to_string(AeadKind::kBoringSsl); }

  void seal(std::span<AeadJob> jobs) override {
    KeyOfRun key;
    std::array<std::uint8_t, kAeadNonceLen> nonce;
    for (AeadJob& job : jobs) {
      write_nonce(nonce, job.counter);
      std::size_t tag_len = 0;
      job.ok = EVP_AEAD_CTX_seal_scatter(key.get(job.key), job.data, job.data + job.len, &tag_len,
                                         kAeadTagLen, nonce.data(), nonce.size(), job.data, job.len,
                                         nullptr, 0, nullptr, 0) == 1;
    }
  }

  void open(std::span<AeadJob> jobs) override {
    KeyOfRun key;
    std::array<std::uint8_t, kAeadNonceLen> nonce;
    for (AeadJob& job : jobs) {
      write_nonce(nonce, job.counter);
      job.ok =
          EVP_AEAD_CTX_open_gather(key.get(job.key), job.data, nonce.data(), nonce.size(), job.data,
                                   job.len, job.data + job.len, kAeadTagLen, nullptr, 0) == 1;
    }
  }
};

}  // namespace

std::unique_ptr<Aead> make_boringssl_aead() { return std::make_unique<BoringSslAead>(); }

}  // namespace hawser::noise_internal
