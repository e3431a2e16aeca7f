import { createApp, ref, useTemplateRef } from 'vue/dist/vue.esm-browser.prod.js';

const Product = {
  setup() {
    const credits = useTemplateRef('credits');
    const quantity = ref('1');
    async function make() {
      await fetch('/make', { method: 'POST', body: quantity.value });
      credits.value.refresh();
    }
    return { quantity, make };
  },
  template: `
    <header><b>Product</b> <scrip-credits ref="credits" session="/session" top-up="/credits"></scrip-credits></header>
    <main>
      <h1>Videos</h1>
      <p><label>How many <input type="number" min="1" :value="quantity" @input="quantity = $event.target.value"></label></p>
      <button id="make" @click="make">Make</button> <scrip-cost action="dynamic_video" :quantity="quantity"></scrip-cost>
      <scrip-notice for="make" action="dynamic_video" :quantity="quantity"></scrip-notice>
    </main>`,
};

const app = createApp(Product);
app.config.compilerOptions.isCustomElement = (tag) => tag.startsWith('scrip-');
app.mount('#root');
