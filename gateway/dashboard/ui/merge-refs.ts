// Several refs to one element, for Mantine's scroll area (vite.config.ts puts it in the place of the same thing out of the library that places bubbles).
import { useMergedRef } from '@mantine/hooks'
import type { Ref, RefCallback } from 'react'

export const useMergeRefs = <Element>(refs: Ref<Element>[]): RefCallback<Element> => useMergedRef(...refs)
