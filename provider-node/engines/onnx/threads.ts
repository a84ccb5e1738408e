// How many threads one graph run gets when the operator names no number. Measured on two busy cores: see Decisions in provider-node/README.md.
import { availableParallelism } from 'node:os'

/**
 * The cores, divided among graphs that compute at the same time; at least one. In a container with a share of the machine, its share.
 * @param sideBySide sessions of a model. Other models are not counted: they are rarely busy together, and threads that wait take no core.
 */
export const autoThreads = (sideBySide: number, cores: number = availableParallelism()): number =>
  Math.max(1, Math.floor(cores / Math.max(1, sideBySide)))
