# What gRPC itself costs on this machine: the measure that the API's own figures are held against.
if(SKALD_BUILD_API)
  skald_proto_library(NAME echo_proto GRPC IMPORT_DIRS ${CMAKE_CURRENT_LIST_DIR}/proto
    PROTOS skald/bench/v1/echo.proto)
  skald_cc_binary(NAME grpc_echo SRCS grpc_echo.cc DEPS skald_allocator skald::base skald::echo_proto)
endif()
