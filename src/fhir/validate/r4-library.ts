import { type Library, versioned } from '../terminology/library.ts'
import { codeSystem, valueSet } from './definitions.ts'

/** R4's own value sets and code systems. They belong to one release: a version that is asked for must be theirs. */
export const r4Library: Library = {
  valueSet: (canonical) => versioned(canonical, valueSet),
  codeSystem: (canonical) => versioned(canonical, codeSystem)
}
