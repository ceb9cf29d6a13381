import type { Bytes } from '../../model/resource.ts'

/**
 * Holder of the key encryption key (KEK). It wraps the few branch keys; what they wrap it never sees. `context` is a list of texts
 * that is authenticated, not stored: a wrapped key opens only under the list that it was wrapped with.
 * Errors: KeysUnavailable when it does not answer (try again), KeysBroken when the wrapped key is not its own or was altered.
 */
export interface KekProvider {
  /** A new random 32-byte key and its wrapped form. The caller overwrites `plain` after use. */
  generate(context: readonly string[]): Promise<{ readonly plain: Bytes; readonly wrapped: Bytes }>
  wrap(plain: Uint8Array, context: readonly string[]): Promise<Bytes>
  unwrap(wrapped: Uint8Array, context: readonly string[]): Promise<Bytes>
  /** The same key under the newest KEK. */
  rewrap(wrapped: Uint8Array, context: readonly string[]): Promise<Bytes>
  /** Whether it was wrapped under the newest KEK. */
  isNewest(wrapped: Uint8Array): Promise<boolean>
  /** Makes a new KEK the newest one; earlier ones still unwrap. */
  rotate(): Promise<void>
  health(): Promise<void>
}
