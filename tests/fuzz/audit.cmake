skald_cc_fuzzer(NAME bundle_fuzzer SRCS bundle_fuzzer.cc DEPS skald::audit
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/bundle)
