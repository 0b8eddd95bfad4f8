# A stand-in for the CMake package of 3D Slicer: what an extension of scripted modules uses, and nothing else.
#
# It fails on a missing file, an unknown argument and missing extension metadata; an unknown macro fails by itself. Scripts
# and resources are copied into one folder of the build tree, as Slicer does, and unit tests run on the harness.

cmake_minimum_required(VERSION 3.16.3)

set(Slicer_VERSION 5.10.0)
set(Slicer_VERSION_MAJOR 5)
set(Slicer_VERSION_MINOR 10)
set(Slicer_USE_PYTHONQT ON)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-5.10/qt-scripted-modules)
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionGenerateConfig.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionCPack.cmake)
get_filename_component(SlicerStub_HARNESS ${CMAKE_CURRENT_LIST_DIR}/../Harness ABSOLUTE)

if(NOT DEFINED SlicerStub_PYTHON)
  message(FATAL_ERROR "Give the Python that has the harness's packages: -DSlicerStub_PYTHON=PATH")
endif()
