/** A page as far as the guide's code touches it: one element of each tag, which tells on stdout. */
const elements = new Map<string, object>();

export const document = {
  querySelector(tag: string): object {
    const told = new Proxy({} as Record<string, unknown>, {
      set(element, name, value) {
        console.log(`${tag}.${String(name)}=${value}`);
        return Reflect.set(element, name, value);
      },
    });
    if (!elements.has(tag)) elements.set(tag, told);
    return elements.get(tag) ?? told;
  },
};
