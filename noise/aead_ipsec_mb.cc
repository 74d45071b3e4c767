#include <intel-ipsec-mb.h>

#include <algorithm>

#include "noise/aead_backends.h"

namespace hawser::noise_internal {
namespace {

// Jobs handed to the library between two flushes. Its ring holds IMB_MAX_JOBS (256); fewer keep
// nonces and tags of one round in the first-level cache.
constexpr std::size_t kMaxRound = 64;
static_assert(kMaxRound < IMB_MAX_JOBS);

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

Manager make_manager() {
  Manager manager(alloc_mb_mgr(0));
  if (!manager || (manager->features & IMB_FEATURE_AVX512_SKX) != IMB_FEATURE_AVX512_SKX) {
    return nullptr;
  }
  init_mb_mgr_avx512(manager.get());
  return imb_get_errno(manager.get()) == 0 ? std::move(manager) : nullptr;
}

class IpsecMbAead final : public Aead {
 public:
  explicit IpsecMbAead(Manager manager) : manager_(std::move(manager)) {}

  std::string_view name() const override { return to_string(AeadKind::kIpsecMb); }

  void seal(std::span<AeadJob> jobs) override {
    while (!jobs.empty()) {
      const std::span<AeadJob> round = jobs.first(std::min(jobs.size(), kMaxRound));
      for (std::size_t i = 0; i < round.size(); ++i) {
        submit(round[i], IMB_DIR_ENCRYPT, i, round[i].data + round[i].len);
      }
      finish();
      jobs = jobs.subspan(round.size());
    }
  }

  void open(std::span<AeadJob> jobs) override {
    while (!jobs.empty()) {
      const std::span<AeadJob> round = jobs.first(std::min(jobs.size(), kMaxRound));
      for (std::size_t i = 0; i < round.size(); ++i) {
        submit(round[i], IMB_DIR_DECRYPT, i, tags_[i].data());
      }
      finish();
      // The library computes the tag; whether it is the right one is ours to say.
      for (std::size_t i = 0; i < round.size(); ++i) {
        AeadJob& job = round[i];
        job.ok = job.ok && equal_constant_time(tags_[i], {job.data + job.len, kAeadTagLen});
      }
      jobs = jobs.subspan(round.size());
    }
  }

 private:
  void submit(AeadJob& job, IMB_CIPHER_DIRECTION direction, std::size_t slot, std::uint8_t* tag) {
    job.ok = false;
    write_nonce(nonces_[slot], job.counter);
    IMB_JOB* mb = IMB_GET_NEXT_JOB(manager_.get());
    mb->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    mb->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    mb->cipher_direction = direction;
    mb->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    mb->enc_keys = job.key->data();
    mb->dec_keys = job.key->data();
    mb->key_len_in_bytes = kKeyLen;
    mb->iv = nonces_[slot].data();
    mb->iv_len_in_bytes = kAeadNonceLen;
    mb->src = job.data;
    mb->dst = job.data;
    mb->cipher_start_src_offset_in_bytes = 0;
    mb->msg_len_to_cipher_in_bytes = job.len;
    mb->hash_start_src_offset_in_bytes = 0;
    mb->msg_len_to_hash_in_bytes = job.len;
    mb->u.CHACHA20_POLY1305.aad = nullptr;
    mb->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
    mb->auth_tag_output = tag;
    mb->auth_tag_output_len_in_bytes = kAeadTagLen;
    mb->user_data = &job;
    take(IMB_SUBMIT_JOB_NOCHECK(manager_.get()));
  }

  void finish() {
    while (const IMB_JOB* done = IMB_FLUSH_JOB(manager_.get())) take(done);
  }

  static void take(const IMB_JOB* done) {
    if (done == nullptr) return;
    static_cast<AeadJob*>(done->user_data)->ok = done->status == IMB_STATUS_COMPLETED;
  }

  Manager manager_;
  std::array<std::array<std::uint8_t, kAeadNonceLen>, kMaxRound> nonces_{};
  std::array<std::array<std::uint8_t, kAeadTagLen>, kMaxRound> tags_{};
};

}  // namespace

std::unique_ptr<Aead> make_ipsec_mb_aead() {
  Manager manager = make_manager();
  return manager ? std::make_unique<IpsecMbAead>(std::move(manager)) : nullptr;
}

}  // namespace hawser::noise_internal
