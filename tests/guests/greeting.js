// A provider in JavaScript: greets every app with what it is told to say.

export const catalog = {
  describe() {
    return JSON.stringify({
      version: "0.1.0",
      description: "Greets every app, in JavaScript",
      services: [{
        name: "javascript-greeting",
        description: "A friendly word",
        variables: ["GREETING"],
        plans: [{ name: "default", description: "The only size" }],
      }],
    });
  },
};

export const lifecycle = {
  beginProvision() {
    return "thinking of a word";
  },

  provisionComplete() {
    return { tag: "done" };
  },

  getConfig(addon) {
    const word = { name: "GREETING", value: `hello, ${addon.name()}`, secret: false };
    return { variables: [word], credentials: [] };
  },

  deprovision() {
    return { tag: "done" };
  },
};
