import type { Caller } from '../model/caller.ts'
import { compilePolicy, type Policy, type PolicyContext } from './policy.ts'

/** A compiled policy is kept for as long as a panel may be (60 s), per Caller object: the verified-token cache gives the same one again. */
const policyLifetimeMs = 60_000

export interface PolicyCompiler {
  compile(caller: Caller): Promise<Policy>
  /** A write touched what panels are read from: every policy is compiled again. */
  forget(): void
}

export function policyCompiler(context: PolicyContext): PolicyCompiler {
  let cache = new WeakMap<Caller, { readonly policy: Policy; readonly until: number }>()
  return {
    async compile(caller) {
      const known = cache.get(caller)
      if (known !== undefined && known.until > context.now()) return known.policy
      const mine = cache
      const until = context.now() + policyLifetimeMs
      const policy = await compilePolicy(caller, context)
      mine.set(caller, { policy, until })
      return policy
    },
    forget() {
      cache = new WeakMap()
    }
  }
}
