/** tampered: something was changed, cut, moved or put in. incomplete: something could not be looked at. */
export interface Problem { readonly kind: 'tampered' | 'incomplete'; readonly text: string }

/** Texts name logs, numbers and record keys, never what an entry says. */
export interface Findings {
  readonly problems: readonly Problem[]
  tampered(text: string): void
  incomplete(text: string): void
}

/** Problems beyond this many are not kept. */
export const PROBLEMS_MAX = 1000

export function makeFindings(): Findings {
  const problems: Problem[] = []
  const add = (kind: Problem['kind'], text: string): void => {
    if (problems.length < PROBLEMS_MAX) problems.push({ kind, text })
  }
  return { problems, tampered: (text) => add('tampered', text), incomplete: (text) => add('incomplete', text) }
}
