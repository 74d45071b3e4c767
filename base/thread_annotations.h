#pragma once
// Which lock guards what, in words that clang's thread-safety analysis reads. Where clang compiles
// the product, what it finds is an error; other compilers see nothing here.

#if defined(__clang__)
#define HAWSER_ANNOTATE(x) __attribute__((x))
#else
#define HAWSER_ANNOTATE(x)
#endif

#define HAWSER_CAPABILITY(name) HAWSER_ANNOTATE(capability(name))
#define HAWSER_SCOPED_CAPABILITY HAWSER_ANNOTATE(scoped_lockable)
#define HAWSER_GUARDED_BY(lock) HAWSER_ANNOTATE(guarded_by(lock))
#define HAWSER_REQUIRES(lock) HAWSER_ANNOTATE(requires_capability(lock))
#define HAWSER_ACQUIRE(...) HAWSER_ANNOTATE(acquire_capability(__VA_ARGS__))
#define HAWSER_RELEASE(...) HAWSER_ANNOTATE(release_capability(__VA_ARGS__))
#define HAWSER_ASSERT_HELD(lock) HAWSER_ANNOTATE(assert_capability(lock))
#define HAWSER_NOT_ANALYZED HAWSER_ANNOTATE(no_thread_safety_analysis)
