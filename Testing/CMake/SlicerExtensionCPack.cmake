# Records what a package would be called; the harness builds no packages.

if(NOT PROJECT_NAME STREQUAL CMAKE_PROJECT_NAME)
  message(FATAL_ERROR "The extension's CPack file must be included from its top level")
endif()
get_property(SlicerStub_modules GLOBAL PROPERTY SlicerStub_MODULES)
file(WRITE ${CMAKE_BINARY_DIR}/modules.txt "${SlicerStub_modules}")
