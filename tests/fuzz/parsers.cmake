# What reads bytes from outside or from disk, each by itself.
foreach(fuzzer sql:query export:storage journal:audit)
  string(REPLACE ":" ";" parts ${fuzzer})
  list(GET parts 0 name)
  list(GET parts 1 library)
  set(sources ${name}_fuzzer.cc)
  if(name STREQUAL "sql")
    list(APPEND sources ${CMAKE_SOURCE_DIR}/tests/support/memory_models.cc)
  endif()
  skald_cc_fuzzer(NAME ${name}_fuzzer SRCS ${sources} DEPS skald::${library}
    CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
endforeach()
skald_cc_fuzzer(NAME row_fuzzer SRCS row_fuzzer.cc DEPS skald::partition skald::projection
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/row)
# Of api/, which is not part of this build: these two files need no gRPC.
skald_cc_fuzzer(NAME token_fuzzer
  SRCS token_fuzzer.cc ${CMAKE_SOURCE_DIR}/api/stream_token.cc ${CMAKE_SOURCE_DIR}/api/task_token.cc
  DEPS skald::saga PkgConfig::XXHASH CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/token)
skald_cc_fuzzer(NAME flag_fuzzer SRCS flag_fuzzer.cc ${CMAKE_SOURCE_DIR}/tools/flags.cc
  DEPS skald::definition CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/flag)
